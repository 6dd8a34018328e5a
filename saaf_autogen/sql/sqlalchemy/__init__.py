"""Any database that SQLAlchemy has a driver for, in a dialect that the guard knows."""

from saaf_autogen.sql.sqlalchemy.warehouse import SQLAlchemyWarehouse

__all__ = ["SQLAlchemyWarehouse"]
