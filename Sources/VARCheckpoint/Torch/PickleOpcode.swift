/// The opcodes that state dicts need, of protocols 1 to 5.
enum PickleOpcode: UInt8 {
  case mark = 0x28
  case emptyTuple = 0x29
  case stop = 0x2E
  case pop = 0x30
  case popMark = 0x31
  case duplicate = 0x32
  case binaryBytes = 0x42
  case shortBinaryBytes = 0x43
  case float = 0x46
  case binaryFloat = 0x47
  case integer = 0x49
  case binaryInteger = 0x4A
  case binaryInteger1 = 0x4B
  case long = 0x4C
  case binaryInteger2 = 0x4D
  case none = 0x4E
  case binaryPersistentID = 0x51
  case reduce = 0x52
  case binaryString = 0x54
  case shortBinaryString = 0x55
  case binaryText = 0x58
  case emptyList = 0x5D
  case append = 0x61
  case build = 0x62
  case global = 0x63
  case dictionary = 0x64
  case appends = 0x65
  case get = 0x67
  case binaryGet = 0x68
  case longBinaryGet = 0x6A
  case list = 0x6C
  case put = 0x70
  case binaryPut = 0x71
  case longBinaryPut = 0x72
  case setItem = 0x73
  case tuple = 0x74
  case setItems = 0x75
  case emptyDictionary = 0x7D
  case proto = 0x80
  case tuple1 = 0x85
  case tuple2 = 0x86
  case tuple3 = 0x87
  case newTrue = 0x88
  case newFalse = 0x89
  case long1 = 0x8A
  case long4 = 0x8B
  case shortBinaryText = 0x8C
  case binaryText8 = 0x8D
  case binaryBytes8 = 0x8E
  case stackGlobal = 0x93
  case memoize = 0x94
  case frame = 0x95

  /// Python's names of the opcodes that are refused: they make objects, or no state dict has them.
  static let refusedNames: [UInt8: String] = [
    0x50: "PERSID", 0x53: "STRING", 0x56: "UNICODE", 0x69: "INST", 0x6F: "OBJ", 0x81: "NEWOBJ",
    0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x8F: "EMPTY_SET", 0x90: "ADDITEMS",
    0x91: "FROZENSET", 0x92: "NEWOBJ_EX", 0x96: "BYTEARRAY8", 0x97: "NEXT_BUFFER",
    0x98: "READONLY_BUFFER",
  ]
}

/// A name that a pickle may refer to; every other one is refused where it stands.
enum PickleGlobal: Equatable {
  case orderedDictionary
  case rebuildTensor
  case rebuildParameter
  case size
  case storage(TorchStorageType)
  /// An element type as a value: `torch.float32`.
  case elementType

  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
    case ("torch", "Size"): self = .size
    case ("torch", _) where Self.elementTypes.contains(name): self = .elementType
    case ("torch", _):
      guard let type = TorchStorageType(rawValue: name) else { return nil }
      self = .storage(type)
    default: return nil
    }
  }

  private static let elementTypes: Set = [
    "bfloat16", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool",
  ]
}

/// PyTorch's typed storages.
enum TorchStorageType: String {
  case bfloat16 = "BFloat16Storage"
  case half = "HalfStorage"
  case float = "FloatStorage"
  case double = "DoubleStorage"
  case long = "LongStorage"
  case int = "IntStorage"
  case short = "ShortStorage"
  case char = "CharStorage"
  case byte = "ByteStorage"
  case bool = "BoolStorage"

  /// Bytes per element.
  var byteCount: Int {
    switch self {
    case .char, .byte, .bool: 1
    case .bfloat16, .half, .short: 2
    case .float, .int: 4
    case .double, .long: 8
    }
  }

  var elementType: CheckpointElementType {
    switch self {
    case .bfloat16: .bf16
    case .half: .f16
    case .float: .f32
    case .long: .i64
    case .double, .int, .short, .char, .byte, .bool: .other
    }
  }
}
