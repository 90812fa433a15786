import CVARKernels
import VARKernels
import VARSystem
import VQ4Format

/// Reads rows of the embedding, which lie one by one in the file, or in tiles where the embedding is the head too.
///
/// Rows are copied from the source one at a time: a model's embedding is among its largest tensors, and a prompt needs
/// few of its rows. Not for use from several threads at once.
final class EmbeddingTable {
  private let weights: ModelWeights
  private let tensor: Int
  private let description: VQ4TensorDescription
  /// One unit of each stream, at the multiples of 64 that `starts` holds.
  private var unit = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  /// nil before the first row is read.
  private var unitMemory: AnonymousMemory?
  private let unitByteCount: Int
  private let starts: [Int]

  init(_ weights: ModelWeights, tensor: Int) {
    self.weights = weights
    self.tensor = tensor
    description = weights.source.directory.description(ofTensor: tensor)
    var starts: [Int] = []
    var byteCount = 0
    for role in VQ4StreamRole.allCases {
      starts.append(byteCount)
      byteCount += (description.unitByteCount(of: role) + 63) / 64 * 64
    }
    self.starts = starts
    unitByteCount = byteCount
  }

  /// `output` = the rows of tokens. Each row is read once, in the order of the file.
  func gather(
    _ ids: ArraySlice<Int32>, into output: Rows, _ compute: Compute
  ) throws(ModelError) {
    precondition(
      output.count == ids.count && output.columns == description.cols, "a row for each token")
    if ids.count == 1 {
      return try gather(row: Int(ids[ids.startIndex]), into: output, compute)
    }
    func row(of index: Int) -> Rows {
      let row = index - ids.startIndex
      return output[row..<row + 1]
    }
    let order = ids.indices.sorted { (ids[$0], $0) < (ids[$1], $1) }
    var last: Int?
    for index in order {
      let target = row(of: index)
      if let last, ids[last] == ids[index] {
        target.copy(from: row(of: last))
      } else {
        try gather(row: Int(ids[index]), into: target, compute)
      }
      last = index
    }
  }

  private func gather(
    row: Int, into output: Rows, _ compute: Compute
  ) throws(ModelError) {
    if unitMemory == nil {
      let memory = try AnonymousMemory.forWeights(unitByteCount)
      unitMemory = memory
      unit = UnsafeMutableRawBufferPointer(start: memory.base, count: unitByteCount)
    }
    let unitRows = description.layout == .tiles ? VQ4TensorDescription.tileRows : 1
    for role in VQ4StreamRole.allCases {
      let byteCount = description.unitByteCount(of: role)
      guard byteCount > 0 else { continue }
      let start = starts[Int(role.rawValue)]
      try weights.source.read(
        unit: row / unitRows, of: tensor, role,
        into: UnsafeMutableRawBufferPointer(rebasing: unit[start..<start + byteCount]))
    }
    if description.layout == .tiles {
      compute.gather(tile, row: row % unitRows, into: output)
    } else {
      gatherRow(into: output[0])
    }
  }

  private func bytes(_ role: VQ4StreamRole) -> UnsafeRawPointer {
    UnsafeRawPointer(unit.baseAddress! + starts[Int(role.rawValue)])
  }

  /// The unit as a matrix of one tile.
  private var tile: cvar_matrix {
    var matrix = ModelWeights.matrix(description) { bytes($0) }
    matrix.rows = Int32(VQ4TensorDescription.tileRows)
    return matrix
  }

  /// `output[cols]` = the row in `unit`, by the formula of the element type (formats/vq4.md).
  private func gatherRow(into output: UnsafeMutablePointer<Float>) {
    let cols = description.cols
    let codes = bytes(.codes)
    switch description.elementType {
    case .f32:
      let values = codes.assumingMemoryBound(to: Float.self)
      output.update(from: values, count: cols)
    case .f16:
      let values = codes.assumingMemoryBound(to: UInt16.self)
      for col in 0..<cols { output[col] = cvar_f32_from_f16(values[col]) }
    case .bf16:
      let values = codes.assumingMemoryBound(to: UInt16.self)
      for col in 0..<cols { output[col] = cvar_f32_from_bf16(values[col]) }
    case .int8:
      gatherInt8(into: output)
    case .int4:
      gatherInt4(into: output)
    }
  }

  private func gatherInt8(into output: UnsafeMutablePointer<Float>) {
    let (cols, groupSize) = (description.cols, description.groupSize)
    let values = bytes(.codes).assumingMemoryBound(to: Int8.self)
    let groups = cols / groupSize
    let scale = bytes(.scales).assumingMemoryBound(to: UInt16.self)
    for group in 0..<groups {
      let unit = cvar_f32_from_f16(scale[group]) * Float(CVAR_INT8_SCALE_UNIT)
      for col in group * groupSize..<(group + 1) * groupSize {
        output[col] = Float(values[col]) * unit
      }
    }
  }

  private func gatherInt4(into output: UnsafeMutablePointer<Float>) {
    let (cols, groupSize) = (description.cols, description.groupSize)
    let nibbles = bytes(.codes).assumingMemoryBound(to: UInt8.self)
    let groups = cols / groupSize
    let superblock = Int(CVAR_SUPERBLOCK_COLS)
    let scale = bytes(.scales).assumingMemoryBound(to: Int8.self)
    let superscale = bytes(.superscales).assumingMemoryBound(to: UInt16.self)
    description.codebook.withUnsafeBufferPointer { codebook in
      for group in 0..<groups {
        let first = group * groupSize
        let unit =
          Float(scale[group])
          * (cvar_f32_from_f16(superscale[first / superblock]) * Float(CVAR_INT4_SCALE_UNIT))
        for col in first..<first + groupSize {
          let byte = nibbles[col / 8 * 4 + col % 4]
          output[col] = Float(codebook[Int(col % 8 < 4 ? byte & 15 : byte >> 4)]) * unit
        }
      }
    }
  }
}
