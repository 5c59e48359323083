"""Reading what is made: nouns for screens, gates and other packages, one module for each question of a reader."""
