from real_servers import *  # noqa: F403 - fixtures
