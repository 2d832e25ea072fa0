"""profiles — hồ sơ kết nối: the wire rules of the connectors that the country's clients already speak. Pure."""
