"""The export of a device's record: what stands in a bundle, and the stand-alone program that checks one."""
