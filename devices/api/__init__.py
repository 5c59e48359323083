"""Reading lists and details, and one action for each verb: the same services as everywhere."""
