"""From loss to what people care about: skills and when they emerge, observational laws, groups that an average
hides."""
