"""Reports: one file each, registered in `quality.reports.base`."""
