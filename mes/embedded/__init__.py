"""The PostgreSQL and Valkey that Lamina brings along when no servers of your own are named."""
