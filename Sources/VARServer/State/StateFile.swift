import VARLite

/// A file of the state folder by itself.
package enum StateFile {
  /// - Throws: why it is neither a job's request nor its ending.
  package static func check(_ bytes: [UInt8]) throws {
    let record = try StateRecord(serialized: bytes)
    if record.header["ended"] == nil {
      _ = try StoredRequest(record)
    } else {
      _ = try StoredEnding(record)
    }
  }
}
