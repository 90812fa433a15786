import VARCheckpoint
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// The weights of the picture tokenizer's encoder or decoder in f16, read from the checkpoint: what is fitted to them
/// does not depend on how the file stores them.
final class TokenizerWeights: WeightSource, TensorDirectory {
  private struct Tensor {
    let entry: SourceMapping.Entry
    let description: VQ4TensorDescription
    let group: Int
    var codes: HeapMemory?
  }

  private var tensors: [Tensor] = []
  private var indices: [String: Int] = [:]

  /// Bytes of all weights.
  var byteCount: Int { tensors.reduce(0) { $0 + $1.description.byteCount } }

  /// What the networks are told of them.
  var specifications: [TensorSpecification] { tensors.map(\.entry.specification) }

  /// The same weights, none of them read.
  func copy() -> TokenizerWeights { TokenizerWeights(self) }

  private init(_ other: TokenizerWeights) {
    tensors = other.tensors.map {
      Tensor(entry: $0.entry, description: $0.description, group: $0.group)
    }
    indices = other.indices
  }

  /// Reads nothing yet.
  init(_ component: TensorSpecification.Component, of mapping: SourceMapping) {
    var groups: [TensorGroup: Int] = [:]
    for entry in mapping.entries where entry.specification.component == component {
      let specification = entry.specification
      let isVector = specification.kind == .vector
      let group = groups[specification.group] ?? groups.count
      groups[specification.group] = group
      indices[specification.name] = tensors.count
      tensors.append(
        Tensor(
          entry: entry,
          description: VQ4TensorDescription(
            name: specification.name, elementType: isVector ? .f32 : .f16,
            layout: isVector ? .vector : .tiles, shape: specification.shape, groupSize: 0),
          group: group))
    }
  }

  /// Reads all of them.
  ///
  /// - Parameter isCancelled: asked before each tensor; true throws `ModelError.cancelled`.
  func read(isCancelled: () -> Bool) throws {
    for index in tensors.indices {
      if isCancelled() { throw ModelError.cancelled }
      let memory = try HeapMemory.forConversion(tensors[index].description.byteCount(of: .codes))
      switch tensors[index].entry.source {
      case .values(let values):
        memory.bytes.copyBytes(from: try values().withUnsafeBytes(Array.init))
      case .rows(let tensor, let order):
        try encode(tensor, order, tensors[index].description, into: memory.bytes)
      }
      tensors[index].codes = memory
    }
  }

  private func encode(
    _ tensor: CheckpointTensor, _ order: TensorSource.RowOrder,
    _ description: VQ4TensorDescription, into codes: UnsafeMutableRawBufferPointer
  ) throws {
    let (rows, cols) = (description.rows, description.cols)
    let unit = WeightFormat.unitRowCount
    let format = WeightFormat(
      precision: .f16, layout: .tiles, rows: rows, cols: cols, groupSize: 0)
    let encoder = WeightEncoder(format: format)
    let source = try TensorRows(tensor)
    var values = [Float](repeating: 0, count: unit * cols)
    var scratch = [Float](repeating: 0, count: order.sourceCols(cols))
    try values.withUnsafeMutableBufferPointer { values in
      try scratch.withUnsafeMutableBufferPointer { scratch in
        for first in stride(from: 0, to: rows, by: unit) {
          let count = min(unit, rows - first)
          let start = codes.baseAddress! + format.byteCounts(rowCount: first).codes
          try order.read(
            first..<first + count, of: source, into: values.baseAddress!, scratch: scratch)
          _ = try encoder.encode(
            values.baseAddress!, rowCount: count,
            into: WeightEncoder.Output(codes: start, scales: start, superscales: start),
            name: description.name, firstRow: first)
        }
      }
    }
  }

  // MARK: Directory

  var tensorCount: Int { tensors.count }
  func tensorIndex(named name: String) -> Int? { indices[name] }
  func description(ofTensor tensor: Int) -> VQ4TensorDescription { tensors[tensor].description }
  func group(ofTensor tensor: Int) -> Int { tensors[tensor].group }

  // MARK: Source

  var directory: any TensorDirectory { self }

  func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    if isCancelled() { throw ModelError.cancelled }
  }

  func release(_ part: WeightPart) {}

  func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer {
    guard let codes = tensors[tensor].codes else {
      preconditionFailure("weights are used before they are read")
    }
    return UnsafeRawPointer(codes.bytes.baseAddress!)
  }
}
