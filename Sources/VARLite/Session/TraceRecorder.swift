import VARJSON
import VARModels
import VARSystem

/// Collects the intermediate tensors of a run and writes them as one safetensors file.
///
/// With a spool the elements go to that file at once, and memory holds what they are called and where they are.
package final class TraceRecorder: TraceSink {
  package struct Tensor {
    package let type: String
    package fileprivate(set) var shape: [Int]
    /// The elements; empty where they are in the spool.
    package fileprivate(set) var bytes: [UInt8] = []
    /// Where they begin in the spool.
    fileprivate var start = 0

    fileprivate var byteCount: Int {
      shape.reduce(1, *) * (type == "I64" ? 8 : type == "F32" ? 4 : 1)
    }
  }

  private var tensors: [(name: String, tensor: Tensor)] = []
  /// Texts that the file says of itself; none: the file says nothing.
  package var metadata: [(name: String, text: String)] = []
  private let spool: OpenFile?
  private var spoolEnd = 0
  /// The first fault of the spool: nobody is told of it before the file is written.
  private var spoolFailure: SystemError?

  /// - Parameter spool: a file of its own that gets the elements; nil keeps them in memory.
  package init(spool: OpenFile? = nil) { self.spool = spool }

  package func record(_ name: String, shape: [Int], floats: UnsafePointer<Float>) {
    begin(name, shape: shape)
    put(name, at: 0, UnsafeBufferPointer(start: floats, count: shape.reduce(1, *)))
  }

  package func record(_ name: String, shape: [Int], integers: [Int]) {
    let bytes = integers.flatMap { value in
      withUnsafeBytes(of: Int64(value).littleEndian) { Array($0) }
    }
    record(name, Tensor(type: "I64", shape: shape), bytes)
  }

  package func record(_ name: String, shape: [Int], bytes: [UInt8]) {
    record(name, Tensor(type: "U8", shape: shape), bytes)
  }

  private func record(_ name: String, _ tensor: Tensor, _ bytes: [UInt8]) {
    precondition(bytes.count == tensor.byteCount, "\(name) does not fill its shape")
    let index = begin(name, tensor)
    bytes.withUnsafeBytes { store($0, at: 0, of: index) }
  }

  package func begin(_ name: String, shape: [Int]) {
    _ = begin(name, Tensor(type: "F32", shape: shape))
  }

  package func put(_ name: String, at first: Int, _ floats: UnsafeBufferPointer<Float>) {
    guard let index = index(of: name) else { preconditionFailure("\(name) has not begun") }
    store(UnsafeRawBufferPointer(floats), at: first * MemoryLayout<Float>.size, of: index)
  }

  /// Leaves of a tensor the first rows; nothing where there are none.
  package func cut(_ name: String, rows: Int) {
    guard let index = index(of: name) else { return }
    let tensor = tensors[index].tensor
    let isLast = tensor.start + tensor.byteCount == spoolEnd
    tensors[index].tensor.shape[0] = rows
    if isLast, spool != nil { spoolEnd = tensor.start + tensors[index].tensor.byteCount }
    if rows == 0 { tensors.remove(at: index) }
  }

  /// A later tensor of the same name replaces the earlier one.
  private func begin(_ name: String, _ tensor: Tensor) -> Int {
    var tensor = tensor
    tensor.start = spoolEnd
    if spool != nil { spoolEnd += tensor.byteCount }
    if let index = index(of: name) {
      tensors[index].tensor = tensor
      return index
    }
    tensors.append((name, tensor))
    return tensors.count - 1
  }

  private func index(of name: String) -> Int? { tensors.firstIndex { $0.name == name } }

  private func store(_ source: UnsafeRawBufferPointer, at offset: Int, of index: Int) {
    let end = offset + source.count
    precondition(end <= tensors[index].tensor.byteCount, "\(tensors[index].name) is too small")
    if let spool {
      guard spoolFailure == nil else { return }
      do throws(SystemError) {
        try spool.write(source, at: tensors[index].tensor.start + offset)
      } catch {
        spoolFailure = error
      }
      return
    }
    let missing = end - tensors[index].tensor.bytes.count
    if missing > 0 { tensors[index].tensor.bytes += repeatElement(0, count: missing) }
    tensors[index].tensor.bytes.withUnsafeMutableBytes {
      UnsafeMutableRawBufferPointer(rebasing: $0[offset..<end]).copyMemory(from: source)
    }
  }

  package func tensor(_ name: String) -> Tensor? {
    tensors.first { $0.name == name }?.tensor
  }
}

// MARK: The file

extension TraceRecorder {
  /// Bytes that are in memory at once while the file is written.
  private static let pieceByteCount = 1 << 20

  /// The file: header length, JSON header padded to 8 bytes, data.
  ///
  /// - Throws: what the spool failed with.
  package func safetensors() throws(SystemError) -> FileContent {
    if let spoolFailure { throw spoolFailure }
    let header = header()
    let tensors = tensors.map(\.tensor)
    let byteCount = tensors.reduce(header.count) { $0 + $1.byteCount }
    return FileContent(byteCount: byteCount) { [spool] writer throws(SystemError) in
      try writer(header)
      for tensor in tensors {
        guard let spool else {
          let bytes = tensor.bytes.prefix(tensor.byteCount)
          try writer(bytes + [UInt8](repeating: 0, count: tensor.byteCount - bytes.count))
          continue
        }
        for start in stride(from: 0, to: tensor.byteCount, by: Self.pieceByteCount) {
          let count = min(Self.pieceByteCount, tensor.byteCount - start)
          let piece = try spool.bytes(at: tensor.start + start, count: count)
          // A tensor that was never filled ends with a hole, which the end of the spool does not cover.
          try writer(piece + [UInt8](repeating: 0, count: count - piece.count))
        }
      }
    }
  }

  private func header() -> [UInt8] {
    var header = JSONObject()
    var offset = 0
    if !metadata.isEmpty {
      header["__metadata__"] = .object(
        JSONObject(metadata.map { ($0.name, JSONValue.string($0.text)) }))
    }
    for (name, tensor) in tensors {
      header[name] = .object(
        JSONObject([
          ("dtype", .string(tensor.type)),
          ("shape", .array(tensor.shape.map { .integer($0) })),
          (
            "data_offsets",
            .array([.integer(offset), .integer(offset + tensor.byteCount)])
          ),
        ]))
      offset += tensor.byteCount
    }
    var text = Array(JSONValue.object(header).text.utf8)
    while text.count % 8 != 0 { text.append(0x20) }
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }
}
