import VARCheckpoint
import VARJSON
import VARModels
import VARSystem
import VQ4Format

/// A file that a conversion is to write and that may be there already.
struct FinishedConversion {
  let conversion: Conversion
  let metadata: Metadata
  let file: VQ4File

  private static let pieceByteCount = 4 << 20

  /// Nil where there is no such file, or none that can be understood.
  init?(of conversion: Conversion, at path: String, _ metadata: Metadata) {
    guard let file = try? VQ4File(path: path) else { return nil }
    self.conversion = conversion
    self.metadata = metadata
    self.file = file
  }

  /// Whether the file is what the conversion would write: the same tensors, attachments, storage and checkpoint.
  ///
  /// The checkpoint is read once for its hash, if everything else agrees.
  /// - Throws: `interrupted`, and the errors of reading the checkpoint.
  func isTheSame(
    _ pool: ThreadPool, progress: (ConversionProgress) -> Void, isCancelled: () -> Bool
  ) throws -> Bool {
    guard hasTheTensors, hasTheAttachments, hasTheShards,
      file.isStored(as: conversion.options.layout)
    else { return false }
    let pieces = try hash(progress, isCancelled)
    let preview =
      conversion.options.withPreviewMap
      ? try conversion.previewMap(pool, isCancelled: isCancelled) : nil
    guard try file.attachment(PreviewMap.attachmentName) == preview else { return false }
    return try (file.attachment("provenance") ?? [])
      == Metadata.provenance(conversion.checkpoint, conversion.options.calibration, pieces: pieces)
  }

  private var hasTheTensors: Bool {
    let rows = conversion.plan.rows
    return rows.count == file.tensors.count
      && zip(rows, file.tensors).allSatisfy { row, tensor in
        row.description(codebook: tensor.description.codebook) == tensor.description
      }
  }

  private var hasTheAttachments: Bool {
    let canaries = conversion.options.withCanaries ? [Conversion.canariesName] : []
    let names = metadata.attachments.map(\.name) + ["provenance"] + canaries
    let known = file.attachments.map(\.name).filter { $0 != PreviewMap.attachmentName }
    return names.sorted() == known.sorted()
      && metadata.attachments.allSatisfy { name, bytes, _ in
        (try? file.attachment(name)) == bytes
      }
  }

  /// Names and sizes alone, before anything is read.
  private var hasTheShards: Bool {
    let listed = (try? file.jsonAttachment("provenance"))?["shards"]?.arrayValue ?? []
    let shards = conversion.checkpoint.shards
    return listed.count == shards.count
      && zip(listed, shards).allSatisfy { entry, shard in
        entry["file"]?.stringValue == shard.name && entry["bytes"]?.integerValue == shard.byteCount
      }
  }

  /// The hashes of the pieces of all tensors, by name.
  private func hash(
    _ progress: (ConversionProgress) -> Void, _ isCancelled: () -> Bool
  ) throws -> [String: [VQ4Hash]] {
    let checkpoint = conversion.checkpoint
    let dropsCache = checkpoint.byteCount > conversion.options.memoryByteCount
    var state = ConversionProgress(
      subject: "", doneCount: 0,
      totalCount: checkpoint.tensors.reduce(0) { $0 + $1.byteCount / $1.elementType.byteCount })
    let memory = try HeapMemory.forConversion(Self.pieceByteCount)
    defer { withExtendedLifetime(memory) {} }
    let buffer = memory.bytes
    var pieces: [String: [VQ4Hash]] = [:]
    for shard in checkpoint.shards {
      for tensor in shard.tensors {
        var digest = try SourceDigest()
        state.subject = "hash of \(tensor.name)"
        for first in stride(from: 0, to: tensor.byteCount, by: buffer.count) {
          if isCancelled() { throw ConversionError(.interrupted, state.subject, "stopped") }
          progress(state)
          let part = UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<min(buffer.count, tensor.byteCount - first)])
          tensor.prefetchBytes(from: first + part.count, count: buffer.count)
          try tensor.readBytes(from: first, into: part)
          if dropsCache { tensor.discardBytes(from: first, count: part.count) }
          try digest.update(UnsafeRawBufferPointer(part))
          state.doneCount += part.count / tensor.elementType.byteCount
        }
        try digest.finish()
        pieces[tensor.name] = digest.pieces
      }
      try shard.checkUnchanged()
    }
    return pieces
  }
}
