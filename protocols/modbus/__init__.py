"""Modbus meters: register maps as profiles, the fewest requests, register images into telegrams and back, RTU
frames.
"""

from protocols.modbus.image import Block, blocks_from_image, image_from_blocks, telegram_from_image
from protocols.modbus.map import ModbusMap, Point
from protocols.modbus.plan import ReadRequest, read_plan
from protocols.modbus.rtu import (
    answer_frame,
    crc16,
    exception_error,
    exception_frame,
    request_frame,
    request_from_frame,
    words_from_answer,
)
from protocols.modbus.simulation import registers_from_values
from protocols.modbus.words import value_from_words, words_from_value

__all__ = [
    "Block",
    "ModbusMap",
    "Point",
    "ReadRequest",
    "answer_frame",
    "blocks_from_image",
    "crc16",
    "exception_error",
    "exception_frame",
    "image_from_blocks",
    "read_plan",
    "registers_from_values",
    "request_frame",
    "request_from_frame",
    "telegram_from_image",
    "value_from_words",
    "words_from_answer",
    "words_from_value",
]
