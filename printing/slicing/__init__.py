"""From a load of meshes to the layers a printer cures. Pure computation: no Django, millimetres, plate coordinates."""
