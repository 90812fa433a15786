import VARCheckpoint
import VARKernels
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// The weights of a checkpoint as networks take them, in full precision: a part is read when it is acquired, and its
/// memory is given back when it is released.
///
/// Matrices keep the checkpoint's bf16 or f16 where nothing is added to them; all other weights are f32. For one
/// request at a time.
package final class OriginalWeights: WeightSource, TensorDirectory, @unchecked Sendable {
  private let file: VQ4File
  private let entries: [SourceMapping.Entry]
  private let descriptions: [VQ4TensorDescription]
  private let own: WeightBlocks
  private let pool: ThreadPool
  private let dropsCache: Bool
  private var held: [WeightPart: Held] = [:]

  private struct Held {
    var count = 0
    /// Codes by tensor: of a slab those of its rows.
    var memory: [Int: HeapMemory] = [:]
    var byteCount: Int { memory.values.reduce(0) { $0 + $1.bytes.count } }
  }

  /// Parts below this size are kept once they are read: some are read time and again.
  private static let keptByteCount = 8 << 20

  /// - Parameters:
  ///   - conversion: of the checkpoint.
  ///   - file: what was made of it.
  ///   - pool: threads that read.
  package init(_ conversion: Conversion, for file: VQ4File, _ pool: ThreadPool) throws {
    self.file = file
    self.pool = pool
    dropsCache = conversion.checkpoint.byteCount > conversion.options.memoryByteCount
    let entries = Dictionary(
      conversion.mapping.entries.map { ($0.specification.name, $0) },
      uniquingKeysWith: { first, _ in first })
    self.entries = try file.tensors.map { tensor in
      guard let entry = entries[tensor.name] else {
        throw ConversionError(
          .differentModel, file.path, "holds \(tensor.name), which the checkpoint lacks")
      }
      return entry
    }
    descriptions = self.entries.map(Self.description)
    own = WeightBlocks(file, tensors: conversion.configuration.tensors)
  }

  private static func description(_ entry: SourceMapping.Entry) -> VQ4TensorDescription {
    let specification = entry.specification
    let layout: VQ4Layout =
      switch specification.kind {
      case .vector: .vector
      case .table: .table
      case .matrix, .convolution: .tiles
      }
    return VQ4TensorDescription(
      name: specification.name, elementType: elementType(entry), layout: layout,
      shape: specification.shape, groupSize: 0)
  }

  private static func elementType(_ entry: SourceMapping.Entry) -> VQ4ElementType {
    guard entry.specification.kind == .matrix, case .rows(let tensor, .unchanged) = entry.source,
      tensor.updateCount == 0
    else { return .f32 }
    return switch tensor.elementType {
    case .bf16: .bf16
    case .f16: .f16
    default: .f32
    }
  }

  /// Bytes of memory that the largest part takes, known before there is a file.
  static func largestPartByteCount(_ entries: [SourceMapping.Entry]) -> Int {
    var parts: [String: Int] = [:]
    for entry in entries {
      let key = "\(entry.specification.group.name) \(entry.specification.access == .apart)"
      let byteCount = description(entry).byteCount
      switch entry.specification.access {
      case .withGroup, .apart: parts[key, default: 0] += byteCount
      case .byRow: break
      case .inSlabs, .inSlabsAndByRow:
        // Elements of four bits, which become floats.
        parts[entry.specification.name] = min(byteCount, 8 * WeightBlocks.defaultSlabCodeBytes)
      }
    }
    return parts.values.max() ?? 0
  }

  // MARK: Directory

  package var tensorCount: Int { file.tensorCount }
  package func tensorIndex(named name: String) -> Int? { file.tensorIndex(named: name) }
  package func description(ofTensor tensor: Int) -> VQ4TensorDescription { descriptions[tensor] }
  package func group(ofTensor tensor: Int) -> Int { file.group(ofTensor: tensor) }

  // MARK: Source

  package var directory: any TensorDirectory { self }
  package var blocks: WeightBlocks? { own }

  package func end(_ request: WeightRequest) { held = [:] }

  package func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    if isCancelled() { throw ModelError.cancelled }
    if held[part] == nil {
      do {
        held[part] = Held(memory: try read(part))
      } catch let error as ModelError {
        throw error
      } catch let error as SystemError {
        throw ModelError(.outOfMemory, "no memory for original weights: \(error)")
      } catch {
        throw ModelError(.unreadableWeights, "\(error)")
      }
    }
    held[part]?.count += 1
  }

  package func release(_ part: WeightPart) {
    held[part]?.count -= 1
    if let held = held[part], held.count == 0, held.byteCount > Self.keptByteCount {
      self.held[part] = nil
    }
  }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer {
    let group = file.group(ofTensor: tensor)
    let parts =
      slab.map { [WeightPart.slab(tensor: tensor, index: $0)] }
      ?? [WeightPart.group(group), .apart(group)]
    for part in parts {
      if let memory = held[part]?.memory[tensor] {
        return UnsafeRawPointer(memory.bytes.baseAddress!)
      }
    }
    preconditionFailure("\(descriptions[tensor].name) is read before it is acquired")
  }

  package func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    do {
      let description = descriptions[tensor]
      let unitRows = description.layout == .tiles ? VQ4TensorDescription.tileRows : 1
      let first = unit * unitRows
      try encode(
        tensor, first..<min(first + unitRows, description.rows), into: output.baseAddress!)
    } catch let error as ModelError {
      throw error
    } catch {
      throw ModelError(.unreadableWeights, "\(error)")
    }
  }

  // MARK: Reading

  private func read(_ part: WeightPart) throws -> [Int: HeapMemory] {
    var memory: [Int: HeapMemory] = [:]
    for (tensor, role, _, bytes) in own.contents(of: part) where role == .codes {
      guard case .rows(let source, _) = entries[tensor].source else {
        memory[tensor] = try vector(tensor)
        continue
      }
      // The rows of the part, by the tiles of the file.
      let unit = file.tensors[tensor].description.unitByteCount(of: .codes)
      let tileRows = VQ4TensorDescription.tileRows
      let rows =
        bytes.lowerBound / unit
        * tileRows..<min(bytes.upperBound / unit * tileRows, descriptions[tensor].rows)
      memory[tensor] = try matrix(tensor, rows)
      if dropsCache { source.discardBytes(from: 0, count: source.byteCount) }
    }
    return memory
  }

  private func vector(_ tensor: Int) throws -> HeapMemory {
    guard case .values(let values) = entries[tensor].source else {
      preconditionFailure("a vector has values")
    }
    let floats = try values()
    let memory = try HeapMemory(byteCount: floats.count * MemoryLayout<Float>.stride)
    floats.withUnsafeBytes { memory.bytes.copyMemory(from: $0) }
    return memory
  }

  /// Some rows of a matrix in tiles, made on all threads.
  private func matrix(_ tensor: Int, _ rows: Range<Int>) throws -> HeapMemory {
    let unit = descriptions[tensor].unitByteCount(of: .codes)
    let tileRows = VQ4TensorDescription.tileRows
    let count = (rows.count + tileRows - 1) / tileRows
    let memory = try HeapMemory(byteCount: count * unit)
    var failures = [(any Error)?](repeating: nil, count: count)
    failures.withUnsafeMutableBufferPointer { failures in
      let slots = failures.baseAddress!
      pool.parallel(count) { tiles in
        let first = rows.lowerBound + tiles.lowerBound * tileRows
        do {
          try encode(
            tensor, first..<min(first + tiles.count * tileRows, rows.upperBound),
            into: memory.bytes.baseAddress! + tiles.lowerBound * unit)
        } catch {
          slots[tiles.lowerBound] = error
        }
      }
    }
    if let failure = failures.compactMap({ $0 }).first { throw failure }
    return memory
  }

  /// Reads rows, the first of them a tile's first, and encodes them.
  private func encode(
    _ tensor: Int, _ rows: Range<Int>, into output: UnsafeMutableRawPointer
  ) throws {
    guard case .rows(let source, let order) = entries[tensor].source else {
      preconditionFailure("a matrix has rows")
    }
    let description = descriptions[tensor]
    let encoder = WeightEncoder(format: WeightFormat(description))
    let reader = try TensorRows(source)
    let unitRows = description.layout == .tiles ? VQ4TensorDescription.tileRows : 1
    var x = [Float](repeating: 0, count: unitRows * description.cols)
    var scratch = [Float](repeating: 0, count: order.sourceCols(description.cols))
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: unitRows) {
      let unit = first..<min(first + unitRows, rows.upperBound)
      let place =
        output
        + (first - rows.lowerBound) / unitRows * description.unitByteCount(of: .codes)
      try x.withUnsafeMutableBufferPointer { x in
        try scratch.withUnsafeMutableBufferPointer { scratch in
          try order.read(unit, of: reader, into: x.baseAddress!, scratch: scratch)
        }
        _ = try encoder.encode(
          x.baseAddress!, rowCount: unit.count,
          into: WeightEncoder.Output(codes: place, scales: place, superscales: place),
          name: description.name, firstRow: first)
      }
    }
  }
}

extension Conversion {
  /// Program, libraries, the file's tables, buffers of the networks, and threads that read.
  private static let canariesProgramByteCount = 192 << 20

  /// Bytes of memory that taking canaries takes: the largest part of the original weights, then two of the file's.
  var canariesMemoryByteCount: Int {
    Self.canariesProgramByteCount + OriginalWeights.largestPartByteCount(mapping.entries)
  }
}
