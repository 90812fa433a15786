import VARJSON

/// One safetensors file with a checked header.
package final class SafetensorsFile: Sendable {
  /// A header takes about 110 bytes for each tensor: real ones have up to some hundred kilobytes. The format itself
  /// allows 100 MB.
  static let maximumHeaderByteCount = 16 << 20
  static let maximumRank = 8

  let file: InputFile
  /// In the order of their offsets.
  package let tensors: [CheckpointTensor]
  /// Texts that the file says of itself.
  package let metadata: [String: String]
  /// Bytes before the first tensor.
  let headerByteCount: Int

  var path: String { file.path }

  package init(path: String) throws(CheckpointError) {
    file = try InputFile(path: path)
    let header = try Self.header(of: file)
    headerByteCount = header.end
    metadata = (header.object["__metadata__"]?.objectValue?.members ?? []).reduce(into: [:]) {
      $0[$1.key] = $1.value.stringValue
    }
    tensors = try Self.tensors(of: header.object, in: file, dataOffset: header.end)
  }

  private static func header(
    of file: InputFile
  ) throws(CheckpointError) -> (object: JSONObject, end: Int) {
    try file.checkContent()
    guard file.byteCount >= 8 else {
      throw CheckpointError(
        .headerLength, path: file.path,
        "\(file.byteCount) bytes are no safetensors file; the file is cut short, copy it again")
    }
    let length = try file.readBytes(count: 8).withUnsafeBytes {
      UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
    }
    guard length > 0, length <= UInt64(maximumHeaderByteCount),
      length <= UInt64(file.byteCount - 8)
    else {
      throw CheckpointError(
        .headerLength, path: file.path,
        "the header's length \(length) is not within 1...\(maximumHeaderByteCount) and the file "
          + "(\(file.byteCount) bytes); the file is cut short or no safetensors file")
    }
    let end = 8 + Int(length)
    try HeaderMemory.require(Int(length), in: file.path)
    let bytes = try file.readBytes(from: 8, count: end - 8)
    guard bytes[0] == UInt8(ascii: "{") else {
      throw CheckpointError(
        .malformedJSON, path: file.path, "the header does not begin with {; no safetensors file")
    }
    do {
      let value = try JSONValue(parsing: bytes)
      guard let object = value.objectValue else {
        throw JSONError(.wrongType, "the header is not an object")
      }
      return (object, end)
    } catch {
      throw CheckpointError(.malformedJSON, path: file.path, "the header: \(error)")
    }
  }

  private static func tensors(
    of header: JSONObject, in file: InputFile, dataOffset: Int
  ) throws(CheckpointError) -> [CheckpointTensor] {
    var entries: [(tensor: CheckpointTensor, end: Int)] = []
    entries.reserveCapacity(header.members.count)
    let dataByteCount = file.byteCount - dataOffset
    for (name, value) in header.members where name != "__metadata__" {
      entries.append(
        try entry(
          name: name, value: value, file: file, dataOffset: dataOffset,
          dataByteCount: dataByteCount))
    }
    entries.sort { ($0.tensor.offsetBytes, $0.end) < ($1.tensor.offsetBytes, $1.end) }
    var position = dataOffset
    for entry in entries {
      let start = entry.tensor.offsetBytes
      guard start == position else {
        let name = entry.tensor.name
        throw start < position
          ? CheckpointError(
            .overlap, path: file.path, tensor: name,
            "begins at byte \(start), inside the tensor before it, which ends at \(position)")
          : CheckpointError(
            .hole, path: file.path, tensor: name,
            "\(start - position) bytes before it belong to no tensor")
      }
      position = entry.end
    }
    guard position == file.byteCount else {
      throw CheckpointError(
        .hole, path: file.path,
        "\(file.byteCount - position) bytes after the last tensor belong to no tensor")
    }
    return entries.map(\.tensor)
  }

  private static func entry(
    name: String, value: JSONValue, file: InputFile, dataOffset: Int, dataByteCount: Int
  ) throws(CheckpointError) -> (tensor: CheckpointTensor, end: Int) {
    func fault(_ code: CheckpointError.Code, _ detail: String) -> CheckpointError {
      CheckpointError(code, path: file.path, tensor: name, detail)
    }
    guard let typeName = value["dtype"]?.stringValue, let dimensions = value["shape"]?.arrayValue,
      let offsets = value["data_offsets"]?.arrayValue, offsets.count == 2
    else { throw fault(.malformedJSON, "lacks dtype, shape or two data_offsets") }
    let type = CheckpointElementType(rawValue: typeName) ?? .other
    let elementByteCount = CheckpointElementType.byteCount(ofSafetensors: typeName)
    guard dimensions.count <= maximumRank else {
      throw fault(.invalidShape, "\(dimensions.count) dimensions; at most \(maximumRank) are read")
    }
    var shape: [Int] = []
    var byteCount = elementByteCount ?? 1
    for dimension in dimensions {
      guard case .integer(let size) = dimension, size >= 0 else {
        throw fault(.invalidShape, "a dimension is no count: \(dimension.text)")
      }
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: size)
      guard !overflow else { throw fault(.invalidShape, "the shape overflows") }
      byteCount = product
      shape.append(size)
    }
    guard case .integer(let begin) = offsets[0], case .integer(let end) = offsets[1], begin >= 0,
      begin <= end, end <= dataByteCount
    else {
      throw fault(
        .invalidOffsets,
        "offsets \(offsets[0].text)...\(offsets[1].text) are reversed or pass the data's "
          + "\(dataByteCount) bytes; the file is cut short, copy it again")
    }
    guard end - begin == byteCount || elementByteCount == nil else {
      throw fault(
        .invalidOffsets,
        "\(end - begin) bytes, but shape \(shape) of \(typeName) takes \(byteCount)")
    }
    let tensor = CheckpointTensor(
      name: name, elementType: type, typeName: typeName, shape: shape,
      at: FilePart(file, dataOffset + begin..<dataOffset + end))
    return (tensor, dataOffset + end)
  }
}
