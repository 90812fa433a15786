import CVARKernels
import VQ4Format

/// Reads rows of an embedding table, which lies row-major in the file.
struct EmbeddingTable {
  let description: VQ4TensorDescription
  let codes: UnsafeRawPointer
  let scales: UnsafeRawPointer?
  let superscales: UnsafeRawPointer?

  init(_ weights: ModelWeights, tensor: Int) {
    description = weights.source.description(ofTensor: tensor)
    codes = weights.source.stream(tensor, .codes)
    let type = description.elementType
    scales = type == .int8 || type == .int4 ? weights.source.stream(tensor, .scales) : nil
    superscales = type == .int4 ? weights.source.stream(tensor, .superscales) : nil
  }

  /// `output[cols]` = row `row`, by the formula of the element type (formats/vq4.md).
  func gather(row: Int, into output: UnsafeMutablePointer<Float>) {
    let cols = description.cols
    switch description.elementType {
    case .f32:
      let values = codes.assumingMemoryBound(to: Float.self) + row * cols
      output.update(from: values, count: cols)
    case .f16:
      let values = codes.assumingMemoryBound(to: UInt16.self) + row * cols
      for col in 0..<cols { output[col] = cvar_f32_from_f16(values[col]) }
    case .bf16:
      let values = codes.assumingMemoryBound(to: UInt16.self) + row * cols
      for col in 0..<cols { output[col] = cvar_f32_from_bf16(values[col]) }
    case .int8:
      gatherInt8(row: row, into: output)
    case .int4:
      gatherInt4(row: row, into: output)
    }
  }

  private func gatherInt8(row: Int, into output: UnsafeMutablePointer<Float>) {
    let (cols, groupSize) = (description.cols, description.groupSize)
    let values = codes.assumingMemoryBound(to: Int8.self) + row * cols
    let groups = cols / groupSize
    let scale = scales!.assumingMemoryBound(to: UInt16.self) + row * groups
    for group in 0..<groups {
      let unit = cvar_f32_from_f16(scale[group]) * Float(CVAR_INT8_SCALE_UNIT)
      for col in group * groupSize..<(group + 1) * groupSize {
        output[col] = Float(values[col]) * unit
      }
    }
  }

  private func gatherInt4(row: Int, into output: UnsafeMutablePointer<Float>) {
    let (cols, groupSize) = (description.cols, description.groupSize)
    let nibbles = codes.assumingMemoryBound(to: UInt8.self) + row * cols / 2
    let groups = cols / groupSize
    let superblock = Int(CVAR_SUPERBLOCK_COLS)
    let superblocks = (cols + superblock - 1) / superblock
    let scale = scales!.assumingMemoryBound(to: Int8.self) + row * groups
    let superscale = superscales!.assumingMemoryBound(to: UInt16.self) + row * superblocks
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
