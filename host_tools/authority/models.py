# SPDX-License-Identifier: Apache-2.0
"""The authority's tables. `migrations` makes them; a test holds the two against each other."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

REVISION = "0001"  # of the newest migration


class Base(DeclarativeBase):
    """All tables, and how what is in them is called."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {bytes: LargeBinary}  # noqa: RUF012 - as SQLAlchemy wants it


class Authority(Base):
    """The one row of what holds for all cars."""

    __tablename__ = "authority"

    id: Mapped[int] = mapped_column(primary_key=True)  # 1
    store: Mapped[str]  # where `publish` writes: the URL of an object store, or a folder, as seen from the authority's
    url: Mapped[str]  # where cars and phones find what lies there; empty: couriers bring it
    days: Mapped[int]  # for which a roster is good
    interval: Mapped[int]  # seconds between two polls of a car; 0: its own


class Delegation(Base):
    """Who may sign rosters from a generation on, and who signs the next delegation."""

    __tablename__ = "delegations"

    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[bytes]  # 65 bytes
    signer: Mapped[bytes]  # 65 bytes
    renamed: Mapped[bool]  # whether it names another root than the one before it
    signed: Mapped[bytes]  # as a parcel holds it


class Car(Base):
    """A car, and what was said to it last."""

    __tablename__ = "cars"

    id: Mapped[int] = mapped_column(primary_key=True)
    vin: Mapped[str] = mapped_column(String(17), unique=True)
    seal: Mapped[bytes]  # 16 bytes
    role: Mapped[int]  # the most that its owner is asked to allow; 0: it was removed, and is told so
    added: Mapped[int]  # the generation when it was added: its car file names that one's root

    version: Mapped[int] = mapped_column(BigInteger, default=0)  # 0: nothing was said yet
    digest: Mapped[bytes] = mapped_column(default=b"")  # of what that version says
    issued: Mapped[int] = mapped_column(BigInteger, default=0)
    expires: Mapped[int] = mapped_column(BigInteger, default=0)
    stored: Mapped[bool] = mapped_column(default=False)  # whether the store has taken it


class Key(Base):
    """A phone's key."""

    __tablename__ = "keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    public: Mapped[bytes] = mapped_column(unique=True)  # 65 bytes
    label: Mapped[str]


class Listing(Base):
    """A key on the roster of one car, or of all. What a car has of its own outranks what is for all."""

    __tablename__ = "listings"

    id: Mapped[int] = mapped_column(primary_key=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"), index=True)
    car_id: Mapped[int | None] = mapped_column(ForeignKey("cars.id", ondelete="CASCADE"))  # None: all cars
    role: Mapped[int]
    permissions: Mapped[int]  # 0: those of the role

    __table_args__ = (Index(None, "car_id", "key_id", unique=True),)
