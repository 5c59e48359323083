"""Clinical plans as data: what is read from the images and decided before anything is designed. Numbers only, no Django."""
