"""The sample's bike stations: generated, with the kinds of id and in the region of the real ones."""

import numpy as np

from dlt_pipeline.sample.draw import Floats

# id, name, latitude, longitude, kind, size; ids that look like numbers are New York's (5329.10 is not 5329.1)
_TABLE = (
    ("JC002", "Lantern Sq PATH", 40.7193, -74.0431, "office", 3.0),
    ("JC005", "Ferrous St & 2 St", 40.72152, -74.04621, "residential", 1.4),
    ("JC009", "Exchange Wharf", 40.716247, -74.03346, "office", 2.8),
    ("JC013", "Quarry Plaza", 40.71871, -74.03774, "office", 1.9),
    ("JC018", "Old Mill Rd", 40.7281, -74.0683, "residential", 1.1),
    ("JC022", "Elder Ave", 40.7376, -74.05247, "residential", 1.0),
    ("JC024", "Harrow Field", 40.742405, -74.05201, "leisure", 0.8),
    ("JC027", "Juniper St & 6 St", 40.7252, -74.0457, "residential", 1.3),
    ("JC032", "Northcott Sq", 40.7341, -74.0504, "residential", 0.9),
    ("JC035", "Basin Park", 40.7124188237569, -74.03852552175522, "leisure", 1.9),
    ("JC038", "Alder St & 10 St", 40.7304, -74.0441, "residential", 1.1),
    ("JC044", "Harbour Walk", 40.7099, -74.0355, "leisure", 1.2),
    ("JC051", "Union Yard", 40.7189, -74.0841, "residential", 0.6),
    ("JC056", "Cooper Landing", 40.7149, -74.0667, "residential", 1.0),
    ("JC059", "Heights Stair", 40.7458, -74.0489, "residential", 0.8),
    ("JC063", "Lafayette Green", 40.7134638, -74.0628586, "residential", 0.9),
    ("JC066", "Newport Gate", 40.7270, -74.0337, "office", 2.2),
    ("JC072", "Tidewater Canal", 40.71290, -74.04010, "residential", 1.6),
    ("JC075", "Pavilion Ct", 40.7271, -74.0522, "residential", 1.2),
    ("JC080", "Larkin & 4", 40.72335, -74.04530, "residential", 1.3),
    ("JC082", "Manor & 1", 40.721650724879986, -74.04288411140442, "residential", 1.5),
    ("JC093", "Liberty Meadow", 40.7051, -74.0492, "leisure", 1.4),
    ("JC097", "Yarrow St & Marsh Blvd", 40.71662, -74.042173982, "residential", 1.3),
    ("JC104", "Harbour Terrace", 40.7192517, -74.034234, "office", 1.7),
    ("JC110", "Mercy Hospital", 40.71539114317, -74.04969155788422, "office", 1.4),
    ("HB101", "Terminal - River St & Hudson Pl", 40.73494, -74.03051, "office", 3.0),
    ("HB103", "South Walkway - Regatta Dr & 1 St", 40.73698, -74.02778, "leisure", 1.6),
    ("HB201", "12 St & Regatta Dr", 40.75080, -74.02403, "leisure", 1.2),
    ("HB203", "Bluff St & 15 St", 40.75453, -74.02658, "residential", 1.2),
    ("HB302", "6 St & Garnet St", 40.7444, -74.0346, "residential", 1.1),
    ("HB303", "Garnet St & 7 St", 40.74542, -74.03332, "residential", 1.2),
    ("HB401", "Southwest Green - Jasper St & Terrace Hwy", 40.73755127245804, -74.04166370630264, "residential", 1.0),
    ("HB407", "Amber St & 2 St", 40.73981372311843, -74.03690412640572, "residential", 1.2),
    ("HB409", "Garnet St & Mill St", 40.73743, -74.03571, "residential", 1.1),
    ("HB505", "Willet Ave & 12 St", 40.751955509, -74.030404806, "residential", 1.0),
    ("HB601", "Chapel Sq - 5 St & Grove Ave", 40.7423, -74.0323, "residential", 1.1),
    ("HB611", "4 St & River Walk", 40.7408139, -74.0274062, "office", 1.3),
    ("5329.10", "Ferry Slip Annex", 40.7141, -74.0330, "leisure", 0.25),
    ("5065.10", "Pier Head Annex", 40.7330, -74.0290, "leisure", 0.2),
    ("6432.11", "Ferry Slip North", 40.7556, -74.0238, "leisure", 0.2),
)

IDS = tuple(row[0] for row in _TABLE)
NAMES = tuple(row[1] for row in _TABLE)
LATITUDES = np.array([row[2] for row in _TABLE])
LONGITUDES = np.array([row[3] for row in _TABLE])
KINDS = tuple(row[4] for row in _TABLE)
_SIZES = np.array([row[5] for row in _TABLE])

# how often rides start (leaves) and end (reached) at a kind of station, relative to its size
_LEAVES = {
    "morning": {"residential": 2.2, "office": 0.55, "leisure": 0.4},
    "evening": {"residential": 0.6, "office": 2.0, "leisure": 0.8},
    "weekend": {"residential": 1.0, "office": 0.6, "leisure": 2.2},
    "other": {"residential": 1.0, "office": 1.0, "leisure": 0.9},
}
_REACHED = {
    "morning": {"residential": 0.5, "office": 2.4, "leisure": 0.4},
    "evening": {"residential": 1.9, "office": 0.6, "leisure": 0.9},
    "weekend": _LEAVES["weekend"],
    "other": _LEAVES["other"],
}
PROFILES = tuple(_LEAVES)


def compute_distances_km() -> Floats:
    """Straight-line distance between any two stations, in kilometres; shape stations x stations."""
    north = 111.2 * (LATITUDES[:, None] - LATITUDES[None, :])
    east = 111.2 * np.cos(np.radians(40.73)) * (LONGITUDES[:, None] - LONGITUDES[None, :])
    return np.asarray(np.hypot(north, east), np.float64)


def compute_pair_shares(profile: str) -> Floats:
    """Share of the rides that go from one station to another; shape stations x stations, with a sum of 1.

    Args:
        profile: One of `PROFILES`: morning and evening of working days, daytime of other days, and the rest.
    """
    leaves = _SIZES * np.array([_LEAVES[profile][kind] for kind in KINDS])
    reached = _SIZES * np.array([_REACHED[profile][kind] for kind in KINDS])
    shares = leaves[:, None] * reached[None, :] * np.exp(-compute_distances_km() / 1.3)
    # round trips are rare, and mostly start at leisure stations
    shares[np.diag_indices(len(IDS))] *= np.array([0.5 if kind == "leisure" else 0.12 for kind in KINDS])
    return np.asarray(shares / shares.sum(), np.float64)
