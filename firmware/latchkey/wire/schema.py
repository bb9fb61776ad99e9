# SPDX-License-Identifier: Apache-2.0
"""Names of what is on the wire. A field of a message is its number, and so is a value of an enumeration.

The build puts the numbers in place of the names (host_tools/build/stage.py): a board does not have it.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""


class AES_GCM_Personalized_Signature_Data:  # signatures.proto
    epoch = 1
    nonce = 2
    counter = 3
    expires_at = 4
    tag = 5


class AES_GCM_Response_Signature_Data:  # signatures.proto
    nonce = 1
    counter = 2
    tag = 3


class Action:  # car_server.proto
    vehicleAction = 2


class ActionStatus:  # car_server.proto
    result = 1
    result_reason = 2


class Authority:  # latchkey.proto
    root = 1
    seal = 2
    role = 3
    url = 4


class AuthorityAnswer:  # latchkey.proto
    waiting = 1
    information = 2


class CarStatus:  # latchkey.proto
    uptime = 1
    boot = 2
    version = 3
    board = 4
    micropython = 5
    development = 6
    radio = 7
    locked = 8
    asleep = 9
    user_present = 10
    brake = 11
    start_enabled = 12
    start_left = 13
    open = 14
    pending = 15
    collision = 16


class ClosureMoveRequest:  # vcsec.proto
    frontDriverDoor = 1
    frontPassengerDoor = 2
    rearDriverDoor = 3
    rearPassengerDoor = 4
    rearTrunk = 5
    frontTrunk = 6
    chargePort = 7
    tonneau = 8


class ClosureStatuses:  # vcsec.proto
    frontDriverDoor = 1
    frontPassengerDoor = 2
    rearDriverDoor = 3
    rearPassengerDoor = 4
    rearTrunk = 5
    frontTrunk = 6
    chargePort = 7
    tonneau = 8


class CommandStatus:  # vcsec.proto
    operationStatus = 1
    signedMessageStatus = 2
    whitelistOperationStatus = 3


class Delegation:  # latchkey.proto
    root = 1
    generation = 2
    signers = 3


class Delivered:  # latchkey.proto
    declined = 1
    generation = 2
    version = 3
    wanted = 4


class Destination:  # universal_message.proto
    domain = 1
    routing_address = 2


class FromLatchkey:  # latchkey.proto
    status = 1
    keys = 2
    log = 3
    roster = 4
    parcel = 5
    install = 6
    remove = 7
    grant = 8
    revoke = 9
    maker = 10
    time = 11
    receipt = 13
    head = 14


class FromVCSECMessage:  # vcsec.proto
    vehicleStatus = 1
    authenticationRequest = 3
    commandStatus = 4
    whitelistInfo = 16
    whitelistEntryInfo = 17
    nominalError = 46


class Grant:  # latchkey.proto
    handle = 1
    number = 2
    limits = 3
    tag = 4


class GrantAnswer:  # latchkey.proto
    fault = 1


class HMAC_Personalized_Signature_Data:  # signatures.proto
    epoch = 1
    counter = 2
    expires_at = 3
    tag = 4


class HMAC_Signature_Data:  # signatures.proto
    tag = 1


class Head:  # latchkey.proto
    vin = 1
    generation = 2
    version = 3
    issued = 4
    expires = 5
    interval = 6
    keys = 7
    first = 8


class InformationRequest:  # vcsec.proto
    informationRequestType = 1
    keyId = 2
    publicKey = 3
    slot = 4


class KeyEntry:  # latchkey.proto
    slot = 1
    public = 2
    role = 3
    form = 4
    origin = 5
    label = 6
    impermanent = 7
    seconds = 8
    commands = 9
    not_before = 10
    not_after = 11
    uses = 12
    used = 13
    powered_left = 14
    number = 15
    signer = 16


class KeyIdentifier:  # vcsec.proto
    publicKeySHA1 = 1


class KeyIdentity:  # signatures.proto
    public_key = 1
    handle = 3
    identified_key = 4


class KeyMetadata:  # vcsec.proto
    keyFormFactor = 1


class KeysPage:  # latchkey.proto
    keys = 1
    next = 2


class KeysRequest:  # latchkey.proto
    start = 1


class Limits:  # latchkey.proto
    role = 1
    commands = 2
    not_before = 3
    not_after = 4
    uses = 5
    seconds = 6
    key = 7
    label = 8


class LogEntry:  # latchkey.proto
    number = 1
    boot = 2
    at = 3
    kind = 4
    link = 5
    key = 6
    command = 7
    outcome = 8
    detail = 9
    count = 10
    raw = 11


class LogHead:  # latchkey.proto
    number = 1
    chain = 2
    signature = 3


class LogPage:  # latchkey.proto
    entries = 1
    next = 2
    head = 3


class LogRequest:  # latchkey.proto
    since = 1
    raw = 2


class Maker:  # latchkey.proto
    handle = 1
    salt = 2
    next = 3
    time = 4
    time_known = 5
    below = 6
    spent = 7


class MakerRequest:  # latchkey.proto
    handle = 1


class MessageStatus:  # universal_message.proto
    operation_status = 1
    signed_message_fault = 2


class NominalError:  # errors.proto
    genericError = 1
    keyNotFoundContext = 8


class Parcel:  # latchkey.proto
    address = 1
    generation = 2
    version = 3
    part = 4
    sealed = 5


class Part:  # latchkey.proto
    next = 1
    entries = 2


class PendingKey:  # latchkey.proto
    id = 1
    role = 2
    left = 3


class PermissionChange:  # vcsec.proto
    key = 1
    secondsToBeActive = 3
    keyRole = 4
    label = 1001


class Ping:  # car_server.proto
    ping_id = 1
    local_timestamp = 2
    last_remote_timestamp = 3


class PublicKey:  # vcsec.proto
    PublicKeyRaw = 1


class Receipt:  # latchkey.proto
    outcome = 1
    number = 2
    oldest = 3


class ReceiptRequest:  # latchkey.proto
    hash = 1


class ReplaceKey:  # vcsec.proto
    publicKeyToReplace = 1
    slotToReplace = 2
    keyToAdd = 3
    keyRole = 4
    impermanent = 5


class Response:  # car_server.proto
    actionStatus = 1
    vehicleData = 2
    getSessionInfoResponse = 3
    streamMessage = 4
    getNearbyChargingSites = 5
    vehicleDataSubscriptionResponse = 6
    vitalsSubscriptionResponse = 8
    ping = 9
    piiKeyResponse = 10
    pseudonymSyncResponse = 11
    getRateTariffResponse = 12
    navigationRouteResponse = 13
    getManagedChargingSitesResponse = 14
    getChargeOnSolarFeatureResponse = 15
    addManagedChargingSiteResponse = 16
    getMessagesResponse = 18
    getLocalProfilesResponse = 20
    keysInfoResponse = 24
    bandwidthTestResponse = 25
    prepareMobileUploadResponse = 31
    putMobileUploadChunkResponse = 32


class ResultReason:  # car_server.proto
    plain_text = 1


class Revocation:  # latchkey.proto
    handle = 1
    maker = 2
    numbers = 3
    below = 4
    tag = 5


class RosterStatus:  # latchkey.proto
    address = 1
    url = 2
    role = 3
    generation = 4
    version = 5
    keys = 6
    issued = 7
    expires = 8
    time = 9
    wishes = 10
    declined = 11
    sync = 12


class RoutableMessage:  # universal_message.proto
    to_destination = 6
    from_destination = 7
    protobuf_message_as_bytes = 10
    signedMessageStatus = 12
    signature_data = 13
    session_info_request = 14
    session_info = 15
    request_uuid = 50
    uuid = 51
    flags = 52
    message_frame = 53


class SessionInfo:  # signatures.proto
    counter = 1
    publicKey = 2
    epoch = 3
    clock_time = 4
    status = 5
    handle = 6
    field_7 = 7


class SessionInfoRequest:  # universal_message.proto
    public_key = 1
    challenge = 2
    handle = 3
    identified_key = 4


class SignatureData:  # signatures.proto
    signer_identity = 1
    Present_Key_data = 2
    AES_GCM_Personalized_data = 5
    session_info_tag = 6
    HMAC_Personalized_data = 8
    AES_GCM_Response_data = 9
    AES_GCM_Detached_data = 10
    Certificate_ECDSA_data = 11


class Signed:  # latchkey.proto
    body = 1
    signature = 2
    successor = 3
    signer = 4


class SignedMessage:  # vcsec.proto
    protobufMessageAsBytes = 2
    signatureType = 3


class TimeAnswer:  # latchkey.proto
    time = 1
    known = 2
    waiting = 3
    information = 4


class TimeToken:  # latchkey.proto
    seconds = 1
    anyway = 2


class ToLatchkey:  # latchkey.proto
    status = 1
    keys = 2
    log = 3
    roster = 4
    parcel = 5
    install = 6
    remove = 7
    grant = 8
    revoke = 9
    maker = 10
    time = 11
    receipt = 13
    head = 14


class ToVCSECMessage:  # vcsec.proto
    signedMessage = 1


class UnsignedMessage:  # vcsec.proto
    InformationRequest = 1
    RKEAction = 2
    authenticationResponse = 3
    closureMoveRequest = 4
    WhitelistOperation = 16
    autonomyCommand = 66


class VehicleAction:  # car_server.proto
    getVehicleData = 1
    remoteStartDrive = 2
    createStreamSession = 3
    streamMessage = 4
    chargingSetLimitAction = 5
    chargingStartStopAction = 6
    drivingClearSpeedLimitPinAction = 7
    drivingSetSpeedLimitAction = 8
    drivingSpeedLimitAction = 9
    hvacAutoAction = 10
    hvacSetPreconditioningMaxAction = 12
    hvacSteeringWheelHeaterAction = 13
    hvacTemperatureAdjustmentAction = 14
    mediaPlayAction = 15
    mediaUpdateVolume = 16
    mediaNextFavorite = 17
    mediaPreviousFavorite = 18
    mediaNextTrack = 19
    mediaPreviousTrack = 20
    navigationRequest = 21
    navigationSuperchargerRequest = 22
    getNearbyChargingSites = 23
    uiSetUpcomingCalendarEntries = 24
    vehicleControlCancelSoftwareUpdateAction = 25
    vehicleControlFlashLightsAction = 26
    vehicleControlHonkHornAction = 27
    vehicleControlResetValetPinAction = 28
    vehicleControlScheduleSoftwareUpdateAction = 29
    vehicleControlSetSentryModeAction = 30
    vehicleControlSetValetModeAction = 31
    vehicleControlSunroofOpenCloseAction = 32
    vehicleControlTriggerHomelinkAction = 33
    vehicleControlWindowAction = 34
    hvacBioweaponModeAction = 35
    hvacSeatHeaterActions = 36
    vehicleDataSubscription = 37
    vehicleDataAck = 38
    vitalsSubscription = 39
    vitalsAck = 40
    scheduledChargingAction = 41
    scheduledDepartureAction = 42
    setChargingAmpsAction = 43
    hvacClimateKeeperAction = 44
    hvacRecirculationAction = 45
    ping = 46
    dashcamSaveClipAction = 47
    autoSeatClimateAction = 48
    hvacSeatCoolerActions = 49
    setCabinOverheatProtectionAction = 50
    piiKeyRequest = 51
    pseudonymSyncRequest = 52
    navigationGpsRequest = 53
    setVehicleNameAction = 54
    setRateTariffRequest = 55
    getRateTariffRequest = 56
    videoRequestAction = 57
    takeDrivenoteAction = 58
    chargePortDoorClose = 61
    chargePortDoorOpen = 62
    bluetoothClassicPairingRequest = 63
    boomboxAction = 64
    guestModeAction = 65
    setCopTempAction = 66
    addManagedChargingSiteRequest = 67
    removeManagedChargingSiteRequest = 68
    navigationRouteAction = 69
    autoStwHeatAction = 70
    stwHeatLevelAction = 71
    eraseUserDataAction = 72
    getManagedChargingSitesRequest = 73
    updateChargeOnSolarFeatureRequest = 74
    getChargeOnSolarFeatureRequest = 75
    vehicleControlSetPinToDriveAction = 77
    vehicleControlResetPinToDriveAction = 78
    drivingClearSpeedLimitPinAdminAction = 79
    setOutletsOnOffAction = 80
    setOutletTimerAction = 81
    setOutletSocLimitAction = 82
    setPowerFeedOnOffAction = 83
    setPowerFeedTimerAction = 84
    setPowerFeedSocLimitAction = 85
    setTrailerLightTestStartStopAction = 86
    setTruckBedLightAutoStateAction = 87
    setTruckBedLightBrightnessAction = 88
    vehicleControlResetPinToDriveAdminAction = 89
    navigationWaypointsRequest = 90
    setPowershareFeatureAction = 91
    setPowershareDischargeLimitAction = 92
    setPowershareRequestAction = 93
    setTentModeRequestAction = 94
    setFrontZoneLightRequestAction = 95
    setRearZoneLightRequestAction = 96
    addChargeScheduleAction = 97
    removeChargeScheduleAction = 98
    addPreconditionScheduleAction = 99
    removePreconditionScheduleAction = 100
    setLightbarBrightnessAction = 101
    setLightbarMiddleAction = 102
    setLightbarDitchAction = 103
    getMessagesAction = 104
    teslaAuthResponseAction = 105
    navigationGpsDestinationRequest = 106
    batchRemovePreconditionSchedulesAction = 107
    batchRemoveChargeSchedulesAction = 108
    parentalControlsClearPinAction = 109
    parentalControlsClearPinAdminAction = 110
    parentalControlsAction = 111
    parentalControlsEnableSettingsAction = 112
    parentalControlsSetSpeedLimitAction = 113
    cancelSohTestAction = 114
    stopLightShowAction = 116
    startLightShowAction = 117
    setSuspensionLevelAction = 118
    setDischargeLimitAction = 129
    setLowPowerModeAction = 130
    setTemperatureUnitAction = 132
    setDistanceUnitAction = 133
    setTimeDisplayFormatAction = 134
    setTirePressureUnitAction = 135
    setEnergyDisplayFormatAction = 136
    setKeepAccessoryPowerModeAction = 138
    setupCloudProfileWithLocalProfileUuidAction = 139
    getLocalProfilesForVaultUuidAction = 140
    fetchKeysInfoAction = 142
    deleteDashcamClipsAction = 144
    formatUsbAction = 146
    setUpkeepUsernameAction = 147
    bandwidthTest = 149
    setPhoneSettingPreferencesAction = 151
    cancelVehicleDataSubscription = 171
    prepareMobileUploadAction = 177
    putMobileUploadChunkAction = 178
    displayStateAction = 180
    drivingSetCruiseSpeedLimitAction = 694177
    setDeckLightAction = 698038


class VehicleStatus:  # vcsec.proto
    closureStatuses = 1
    vehicleLockState = 2
    vehicleSleepStatus = 3
    userPresence = 4
    detailedClosureStatus = 5
    uiDesire = 6
    gear = 7


class WhitelistEntryInfo:  # vcsec.proto
    keyId = 1
    publicKey = 2
    metadataForKey = 4
    slot = 6
    keyRole = 7


class WhitelistInfo:  # vcsec.proto
    numberOfEntries = 1
    whitelistEntries = 2
    slotMask = 3


class WhitelistOperation:  # vcsec.proto
    addPublicKeyToWhitelist = 1
    removePublicKeyFromWhitelist = 2
    addPermissionsToPublicKey = 3
    removePermissionsFromPublicKey = 4
    addKeyToWhitelistAndAddPermissions = 5
    metadataForKey = 6
    updateKeyAndPermissions = 7
    addImpermanentKey = 8
    addImpermanentKeyAndRemoveExisting = 9
    removeAllImpermanentKeys = 16
    replaceKey = 17


class WhitelistOperation_status:  # vcsec.proto
    whitelistOperationInformation = 1
    signerOfOperation = 2
    operationStatus = 3


class AuthenticationLevel:  # vcsec.proto
    NONE = 0
    UNLOCK = 1
    DRIVE = 2


class AuthenticationReason:  # vcsec.proto
    NOT_DOCUMENTED = 0
    IDENTIFICATION = 1
    POWER_ON_VEHICLE_REQUEST = 2
    GTW_REQUEST = 3
    UI_UNLOCK_PASSIVE_AUTH = 4
    PASSIVE_UNLOCK_EXTERIOR_HANDLE_PULL = 5
    PASSIVE_UNLOCK_INTERIOR_HANDLE_PULL = 6
    PASSIVE_UNLOCK_AUTOPRESENT_DOOR = 7
    ENTERED_HIGHER_AUTH_ZONE = 8
    WALK_UP_UNLOCK = 9
    IMMOBILIZER = 10


class AuthenticationRejection:  # vcsec.proto
    NONE = 0
    DEVICE_STATIONARY = 1
    PASSIVE_DISABLED = 2
    NO_TOKEN = 3
    PASSIVE_DISABLED_AUTOMATION = 4
    DEVICE_NOT_UNLOCKED_ON_WRIST = 5


class AuthorityChange:  # latchkey.proto
    NONE = 0
    INSTALLED = 1
    REMOVED = 2
    DELEGATED = 3


class CarServer_OperationStatus:  # car_server.proto
    OK = 0
    ERROR = 1


class ClosureMoveType:  # vcsec.proto
    NONE = 0
    MOVE = 1
    STOP = 2
    OPEN = 3
    CLOSE = 4
    OVERRIDE_OPEN = 5
    OVERRIDE_CLOSE = 6


class ClosureState:  # vcsec.proto
    CLOSED = 0
    OPEN = 1
    AJAR = 2
    UNKNOWN = 3
    FAILED_UNLATCH = 4
    OPENING = 5
    CLOSING = 6


class Decline:  # latchkey.proto
    NONE = 0
    NO_AUTHORITY = 1
    ADDRESS = 2
    OLD = 3
    SEAL = 4
    ENCODING = 5
    VIN = 6
    GENERATION = 7
    SIGNATURE = 8
    CONTENT = 9
    PART = 10
    ENTRIES = 11
    FLASH = 12
    BUSY = 13


class Domain:  # universal_message.proto
    BROADCAST = 0
    VEHICLE_SECURITY = 2
    INFOTAINMENT = 3
    AUTOPILOT = 4
    AUTHD = 5
    ENERGY_DEVICE = 7
    ENERGY_DEVICE_AUTH = 8
    LATCHKEY = 76


class Flags:  # universal_message.proto
    USER_COMMAND = 0
    ENCRYPT_RESPONSE = 1
    SUPPORTS_MESSAGE_FRAMING = 2
    COMPRESSED_ZLIB = 3
    SUPPORTS_COMPRESSION_ZLIB = 4


class Gear:  # vcsec.proto
    UNKNOWN = 0
    PARK = 1
    DRIVE = 2
    REVERSE = 3
    NEUTRAL = 4


class GenericError:  # errors.proto
    NONE = 0
    UNKNOWN = 1
    CLOSURES_OPEN = 2
    ALREADY_ON = 3
    DISABLED_FOR_USER_COMMAND = 4
    VEHICLE_NOT_IN_PARK = 5
    UNAUTHORIZED = 6
    NOT_ALLOWED_OVER_TRANSPORT = 7
    KEY_NOT_FOUND = 8
    NOT_SUPPORTED = 9


class GrantFault:  # latchkey.proto
    NONE = 0
    ENCODING = 1
    MAKER = 2
    TAG = 3
    SPENT = 4
    LIMITS = 5
    KEY = 6
    FULL = 7
    FLASH = 8
    BUSY = 9


class IdentifiedKey:  # signatures.proto
    UNKNOWN = 0
    ROOT_KEY = 1


class InformationRequestType:  # vcsec.proto
    STATUS = 0
    TOKEN = 1
    COUNTER = 2
    EPHEMERAL_PUBLIC_KEY = 3
    SESSION_DATA = 4
    WHITELIST_INFO = 5
    WHITELIST_ENTRY_INFO = 6
    PERSONALIZATION_INFO = 7
    KEYSTATUS_INFO = 8
    ACTIVE_KEY = 9
    CAPABILITIES = 16


class KeyFormFactor:  # vcsec.proto
    UNKNOWN = 0
    NFC_CARD = 1
    _3_BUTTON_BLE_CAR_KEYFOB = 2
    BLE_DEVICE = 3
    NFC_DEVICE = 4
    BLE_AND_NFC_DEVICE = 5
    IOS_DEVICE = 6
    ANDROID_DEVICE = 7
    _3_BUTTON_BLE_CAR_KEYFOB_P60 = 8
    CLOUD_KEY = 9
    _3_BUTTON_GEN2_CAR_KEYFOB_P60 = 10
    _5_BUTTON_GEN2_CAR_KEYFOB_P60 = 11
    _3_BUTTON_GEN2_CAR_KEYFOB_P60_V2 = 12
    _3_BUTTON_GEN2_CAR_KEYFOB_P60_V3 = 13
    NFC_CARD_P71 = 14
    NFC_CARD_METAL_CARD = 15
    NFC_CARD_PLASTIC_CARD = 16
    APPLE_WATCH = 17
    NFC_CARD_WD_PLASTIC_CARD = 18
    HARMONY_OS_NEXT_DEVICE = 19


class LogKind:  # latchkey.proto
    OTHER = 0
    BOOT = 1
    COMMAND = 2
    REFUSED = 3
    ENROLLED = 4
    REMOVED = 5
    UPDATED = 6
    REPLACED = 7
    DROPPED = 8
    COLLISION = 9
    IDENTITY = 10
    PREVENTED = 11
    ROSTER = 12
    DECLINED = 13
    WISH = 14
    AUTHORITY = 15
    GAP = 16
    REVOKED = 17
    TIME = 18


class LogLink:  # latchkey.proto
    NONE = 0
    SERIAL = 1
    BLE = 2


class MessageFault:  # universal_message.proto
    NONE = 0
    BUSY = 1
    TIMEOUT = 2
    UNKNOWN_KEY_ID = 3
    INACTIVE_KEY = 4
    INVALID_SIGNATURE = 5
    INVALID_TOKEN_OR_COUNTER = 6
    INSUFFICIENT_PRIVILEGES = 7
    INVALID_DOMAINS = 8
    INVALID_COMMAND = 9
    DECODING = 10
    INTERNAL = 11
    WRONG_PERSONALIZATION = 12
    BAD_PARAMETER = 13
    KEYCHAIN_IS_FULL = 14
    INCORRECT_EPOCH = 15
    IV_INCORRECT_LENGTH = 16
    TIME_EXPIRED = 17
    NOT_PROVISIONED_WITH_IDENTITY = 18
    COULD_NOT_HASH_METADATA = 19
    TIME_TO_LIVE_TOO_LONG = 20
    REMOTE_ACCESS_DISABLED = 21
    REMOTE_SERVICE_ACCESS_DISABLED = 22
    COMMAND_REQUIRES_ACCOUNT_CREDENTIALS = 23
    REQUEST_MTU_EXCEEDED = 24
    RESPONSE_MTU_EXCEEDED = 25
    REPEATED_COUNTER = 26
    INVALID_KEY_HANDLE = 27
    REQUIRES_RESPONSE_ENCRYPTION = 28
    COMMAND_REQUIRES_PHYSICAL_PROXIMITY = 29


class OperationStatus:  # universal_message.proto
    OK = 0
    WAIT = 1
    ERROR = 2


class Origin:  # latchkey.proto
    UNKNOWN = 0
    CARD_TAP = 1
    OWNER_COMMAND = 2
    ROSTER = 3
    GRANT = 4


class Outcome:  # latchkey.proto
    UNKNOWN = 0
    DONE = 1
    REFUSED = 2


class Permission:  # latchkey.proto
    NONE = 0
    READ = 1
    UNLOCK = 2
    LOCK = 4
    WAKE = 8
    START = 16
    SECURE = 32
    CLOSURES = 64
    CHARGE_PORT = 128
    ADD_KEY = 256
    REMOVE_KEY = 512
    CHANGE_KEY = 1024
    AUDIT = 2048


class RKEAction:  # vcsec.proto
    UNLOCK = 0
    LOCK = 1
    OPEN_TRUNK = 2
    OPEN_FRUNK = 3
    OPEN_CHARGE_PORT = 4
    CLOSE_CHARGE_PORT = 5
    CANCEL_EXTERNAL_AUTHENTICATE = 6
    UNKNOWN = 19
    REMOTE_DRIVE = 20
    AUTO_SECURE_VEHICLE = 29
    WAKE_VEHICLE = 30
    UNLOCK_AND_REMOTE_DRIVE = 31
    UNLOCK_UNRESTRICTED_CLOSURES = 32


class Role:  # keys.proto
    NONE = 0
    SERVICE = 1
    OWNER = 2
    DRIVER = 3
    FM = 4
    VEHICLE_MONITOR = 5
    CHARGING_MANAGER = 6
    SERVICE_TECH = 7
    GUEST = 8
    RIDER = 9
    PREDELIVERY = 10
    INFOTAINMENT = 11


class Session_Info_Status:  # signatures.proto
    OK = 0
    KEY_NOT_ON_WHITELIST = 1
    INVALID_HANDLE = 2


class SignatureType:  # signatures.proto
    AES_GCM = 0
    NONE = 0
    ECDSA = 1
    PRESENT_KEY = 2
    AES_GCM_TOKEN = 3
    ECDSA_PERSONALIZED = 4
    UNSIGNED = 4
    AES_GCM_PERSONALIZED = 5
    HMAC = 6
    HMAC_PERSONALIZED = 8
    AES_GCM_RESPONSE = 9
    AES_GCM_DETACHED = 10
    CERTIFICATE_ECDSA = 11


class SignedMessage_information:  # vcsec.proto
    NONE = 0
    FAULT_UNKNOWN = 1
    FAULT_NOT_ON_WHITELIST = 2
    FAULT_IV_SMALLER_THAN_EXPECTED = 3
    FAULT_INVALID_TOKEN = 4
    FAULT_TOKEN_AND_COUNTER_INVALID = 5
    FAULT_AES_DECRYPT_AUTH = 6
    FAULT_ECDSA_INPUT = 7
    FAULT_ECDSA_SIGNATURE = 8
    FAULT_LOCAL_ENTITY_START = 9
    FAULT_LOCAL_ENTITY_RESULT = 10
    FAULT_COULD_NOT_RETRIEVE_KEY = 11
    FAULT_COULD_NOT_RETRIEVE_TOKEN = 12
    FAULT_SIGNATURE_TOO_SHORT = 13
    FAULT_TOKEN_IS_INCORRECT_LENGTH = 14
    FAULT_INCORRECT_EPOCH = 15
    FAULT_IV_INCORRECT_LENGTH = 16
    FAULT_TIME_EXPIRED = 17
    FAULT_NOT_PROVISIONED_WITH_IDENTITY = 18
    FAULT_COULD_NOT_HASH_METADATA = 19


class Tag:  # signatures.proto
    SIGNATURE_TYPE = 0
    DOMAIN = 1
    PERSONALIZATION = 2
    EPOCH = 3
    EXPIRES_AT = 4
    COUNTER = 5
    CHALLENGE = 6
    FLAGS = 7
    REQUEST_HASH = 8
    FAULT = 9
    COMMAND_PREFIX = 10
    END = 255


class UIDesire:  # vcsec.proto
    NONE = 0
    HAS_DATA = 1


class UserPresence:  # vcsec.proto
    UNKNOWN = 0
    NOT_PRESENT = 1
    PRESENT = 2


class VehicleLockState:  # vcsec.proto
    UNLOCKED = 0
    LOCKED = 1
    INTERNAL_LOCKED = 2
    SELECTIVE_UNLOCKED = 3


class VehicleSleepStatus:  # vcsec.proto
    UNKNOWN = 0
    AWAKE = 1
    ASLEEP = 2


class WhitelistOperation_information:  # vcsec.proto
    NONE = 0
    UNDOCUMENTED_ERROR = 1
    NO_PERMISSION_TO_REMOVE_ONESELF = 2
    KEYFOB_SLOTS_FULL = 3
    WHITELIST_FULL = 4
    NO_PERMISSION_TO_ADD = 5
    INVALID_PUBLIC_KEY = 6
    NO_PERMISSION_TO_REMOVE = 7
    NO_PERMISSION_TO_CHANGE_PERMISSIONS = 8
    ATTEMPTING_TO_ELEVATE_OTHER_ABOVE_ONESELF = 9
    ATTEMPTING_TO_DEMOTE_SUPERIOR_TO_ONESELF = 10
    ATTEMPTING_TO_REMOVE_OWN_PERMISSIONS = 11
    PUBLIC_KEY_NOT_ON_WHITELIST = 12
    ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST = 13
    NOT_ALLOWED_TO_ADD_UNLESS_ON_READER = 14
    FM_MODIFYING_OUTSIDE_OF_F_MODE = 15
    FM_ATTEMPTING_TO_ADD_PERMANENT_KEY = 16
    FM_ATTEMPTING_TO_REMOVE_PERMANENT_KEY = 17
    KEYCHAIN_WHILE_FS_FULL = 18
    ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE = 19
    ATTEMPTING_TO_ADD_KEY_WITH_SERVICE_ROLE = 20
    NON_SERVICE_KEY_ATTEMPTING_TO_ADD_SERVICE_TECH = 21
    SERVICE_KEY_ATTEMPTING_TO_ADD_SERVICE_TECH_OUTSIDE_SERVICE_MODE = 22
    COULD_NOT_START_LOCAL_ENTITY_AUTH = 23
    LOCAL_ENTITY_AUTH_FAILED_UI_DENIED = 24
    LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP = 25
    LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_UI_ACK = 26
    LOCAL_ENTITY_AUTH_FAILED_VALET_MODE = 27
    LOCAL_ENTITY_AUTH_FAILED_CANCELLED = 28
    NON_SERVICE_KEY_ATTEMPTING_TO_ADD_RIDER_KEY = 29
    ATTEMPTING_TO_ADD_RIDER_KEY_OUTSIDE_FLEET_MODE = 30
    NON_SERVICE_KEY_ATTEMPTING_TO_ADD_PREDELIVERY_KEY = 31
    SERVICE_KEY_ATTEMPTING_TO_ADD_PREDELIVERY_KEY_WHEN_ALREADY_DELIVERED = 32


class Wire:  # protobuf.dev, "Encoding": wire types
    VARINT = 0
    I64 = 1
    LEN = 2
    SGROUP = 3
    EGROUP = 4
    I32 = 5
    ONE_OF = 0  # ours: where a decoded message has the number of its oneof's member (wire/pb.py)
