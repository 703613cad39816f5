"""The web: routes, forms and pages.

It asks the services; it decides nothing about money or access itself.
"""
