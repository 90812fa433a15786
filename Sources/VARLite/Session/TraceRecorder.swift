import VARJSON
import VARModels

/// Collects the intermediate tensors of a run and writes them as one safetensors file.
package final class TraceRecorder: TraceSink {
  package struct Tensor {
    package let type: String
    package let shape: [Int]
    package var bytes: [UInt8]
  }

  package private(set) var tensors: [(name: String, tensor: Tensor)] = []

  package init() {}

  package func record(_ name: String, shape: [Int], floats: UnsafePointer<Float>) {
    let count = shape.reduce(1, *)
    let bytes = UnsafeRawBufferPointer(start: floats, count: count * 4)
    set(name, Tensor(type: "F32", shape: shape, bytes: Array(bytes)))
  }

  package func record(_ name: String, shape: [Int], integers: [Int]) {
    let bytes = integers.flatMap { value in
      withUnsafeBytes(of: Int64(value).littleEndian) { Array($0) }
    }
    set(name, Tensor(type: "I64", shape: shape, bytes: bytes))
  }

  package func record(_ name: String, shape: [Int], bytes: [UInt8]) {
    set(name, Tensor(type: "U8", shape: shape, bytes: bytes))
  }

  /// A later tensor of the same name replaces the earlier one.
  private func set(_ name: String, _ tensor: Tensor) {
    precondition(
      tensor.bytes.count
        == tensor.shape.reduce(1, *) * (tensor.type == "I64" ? 8 : tensor.type == "F32" ? 4 : 1),
      "\(name) does not fill its shape")
    if let index = tensors.firstIndex(where: { $0.name == name }) {
      tensors[index].tensor = tensor
    } else {
      tensors.append((name, tensor))
    }
  }

  package func tensor(_ name: String) -> Tensor? {
    tensors.first { $0.name == name }?.tensor
  }

  /// The file: header length, JSON header padded to 8 bytes, data.
  package func safetensors() -> [UInt8] {
    var header = JSONObject()
    var offset = 0
    for (name, tensor) in tensors {
      header[name] = .object(
        JSONObject([
          ("dtype", .string(tensor.type)),
          ("shape", .array(tensor.shape.map { .integer($0) })),
          (
            "data_offsets",
            .array([.integer(offset), .integer(offset + tensor.bytes.count)])
          ),
        ]))
      offset += tensor.bytes.count
    }
    var text = Array(JSONValue.object(header).text.utf8)
    while text.count % 8 != 0 { text.append(0x20) }
    var file = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    file += text
    for (_, tensor) in tensors { file += tensor.bytes }
    return file
  }
}
