"""The platform's log of the live world, and profiles of users and streamers estimated from it."""
