import VARJSON
import VARLite

/// A file of the state folder: a `HashedRecord` of
///
///     header     a job, or its ending; `parts` has the lengths of the parts
///     payload    one part behind the other
struct StateRecord {
  typealias Damage = HashedRecord.Damage

  private static let mark = "VARJOBS1"

  /// What times and places in the order may be: as many as JSON tells apart, and there is room to count on.
  static let counts = 0...1 << 53

  var header: JSONObject
  var parts: [[UInt8]]

  init(_ header: JSONObject, parts: [[UInt8]]) {
    self.header = header
    self.parts = parts
  }

  var serialized: [UInt8] {
    var header = header
    header["parts"] = .array(parts.map { .integer($0.count) })
    return HashedRecord.serialized(header, mark: Self.mark, payload: parts)
  }

  init(serialized bytes: [UInt8]) throws(Damage) {
    let record = try HashedRecord(serialized: bytes, mark: Self.mark)
    guard let counts = record.header["parts"]?.arrayValue?.compactMap(\.integerValue) else {
      throw Damage("its header is none")
    }
    var rest = record.payload
    parts = []
    for count in counts {
      guard (0...rest.count).contains(count) else {
        throw Damage("its parts are not whole")
      }
      parts.append(Array(rest.prefix(count)))
      rest = rest.dropFirst(count)
    }
    guard rest.isEmpty else { throw Damage("there is more behind its parts") }
    header = record.header
  }
}
