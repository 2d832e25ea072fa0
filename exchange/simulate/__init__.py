"""simulate — bên xử sự sai: a partner that misbehaves on purpose, for people who test their own system."""
