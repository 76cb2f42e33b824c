"""An invented company that buys, plans and sells, so that a new portal has something true to show.

Everything is drawn from one seed. Names are put together from trees and trades; people are called by their roles.
"""
