/// Files as `torch.save` writes them: a pickle of protocol 2 and its storages in a zip archive without compression.
public enum TorchArchive {
  /// What a pickle is made of.
  public indirect enum Value {
    case none
    case integer(Int)
    case text(String)
    case dictionary([(String, Value)])
    case tensor(Tensor)
  }

  /// A contiguous tensor in a storage of its own.
  public struct Tensor {
    /// `FloatStorage`, `BFloat16Storage`, `HalfStorage` or `LongStorage`.
    public var storageType: String
    public var shape: [Int]
    public var bytes: [UInt8]

    public init(storageType: String, shape: [Int], bytes: [UInt8]) {
      self.storageType = storageType
      self.shape = shape
      self.bytes = bytes
    }
  }

  /// The file that holds `value`.
  public static func file(_ value: Value) -> [UInt8] {
    var writer = PickleWriter()
    let pickle = [0x80, 2] + writer.bytes(of: value) + [UInt8(ascii: ".")]
    return file(pickle: pickle, storages: writer.storages)
  }

  /// A file of any pickle and storages, which are named by their index.
  public static func file(pickle: [UInt8], storages: [[UInt8]]) -> [UInt8] {
    var members = [("archive/data.pkl", pickle), ("archive/byteorder", Array("little".utf8))]
    for (index, storage) in storages.enumerated() {
      members.append(("archive/data/\(index)", storage))
    }
    return zip(members + [("archive/version", Array("3\n".utf8))])
  }

  /// A zip archive of members that are stored as they are; their check sums are left out.
  public static func zip(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for (name, bytes) in members {
      let sizes = number(bytes.count, 4) + number(bytes.count, 4)
      let common = number(0, 2) + number(0, 2) + number(0, 4) + number(0, 4) + sizes
      directory += number(0x0201_4B50, 4) + number(0, 4) + common
      directory += number(name.utf8.count, 2) + number(0, 4) + number(0, 8) + number(file.count, 4)
      directory += Array(name.utf8)
      file += number(0x0403_4B50, 4) + number(0, 2) + common
      file += number(name.utf8.count, 2) + number(0, 2) + Array(name.utf8) + bytes
    }
    let end =
      number(0x0605_4B50, 4) + number(0, 4) + number(members.count, 2) + number(members.count, 2)
    return file + directory + end + number(directory.count, 4) + number(file.count, 4)
      + number(0, 2)
  }

  /// Little-endian.
  public static func number(_ value: Int, _ byteCount: Int) -> [UInt8] {
    (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}

private struct PickleWriter {
  var storages: [[UInt8]] = []

  mutating func bytes(of value: TorchArchive.Value) -> [UInt8] {
    switch value {
    case .none: return Array("N".utf8)
    case .integer(let value): return integer(value)
    case .text(let text): return self.text(text)
    case .dictionary(let members):
      var result = Array("}(".utf8)
      for (key, value) in members { result += text(key) + bytes(of: value) }
      return result + Array("u".utf8)
    case .tensor(let tensor): return self.tensor(tensor)
    }
  }

  private func integer(_ value: Int) -> [UInt8] {
    Int32(exactly: value) != nil
      ? Array("J".utf8) + TorchArchive.number(value, 4)
      : [0x8A, 8] + TorchArchive.number(value, 8)
  }

  private func text(_ text: String) -> [UInt8] {
    Array("X".utf8) + TorchArchive.number(text.utf8.count, 4) + Array(text.utf8)
  }

  private mutating func tensor(_ tensor: TorchArchive.Tensor) -> [UInt8] {
    let count = tensor.shape.reduce(1, *)
    let strides = tensor.shape.indices.map { tensor.shape[($0 + 1)...].reduce(1, *) }
    var result = Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8) + text("storage")
    result += Array("ctorch\n\(tensor.storageType)\n".utf8) + text("\(storages.count)")
    result += text("cpu") + integer(count) + Array("tQ".utf8) + integer(0)
    for numbers in [tensor.shape, strides] {
      result += Array("(".utf8) + numbers.flatMap { integer($0) } + Array("t".utf8)
    }
    storages.append(tensor.bytes)
    return result + [0x89] + Array("ccollections\nOrderedDict\n)RtR".utf8)
  }
}
