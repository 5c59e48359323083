"""One file per make of printer. Only `printing.services.fleet` talks to them."""
