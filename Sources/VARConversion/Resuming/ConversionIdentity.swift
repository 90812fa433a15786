import VARJSON
import VARKernels
import VQ4Format

/// Everything that the bytes of a conversion depend on, so that only the same conversion goes on with its journal.
struct ConversionIdentity {
  /// One JSON object; its keys say what differs.
  let text: String

  /// - Parameter attachments: what the file carries besides weights and provenance.
  init(
    of conversion: Conversion, attachments: [(name: String, bytes: [UInt8], inPlace: Bool)]
  ) throws {
    var members: [(String, JSONValue)] = [
      ("journal", .integer(3)),
      ("converter", .string(PackageVersion.text)),
      ("zstd", .integer(VQ4Writer.compressorVersion)),
      ("layout", .string("\(conversion.options.layout)")),
      ("recipe", .string(conversion.options.recipe.text)),
      ("adapters", Metadata.adapters(of: conversion.checkpoint)),
      ("plan", .string(Self.hash(of: conversion.plan).description)),
    ]
    if let calibration = conversion.options.calibration {
      members.append(("calibration", .string(calibration.identity)))
    }
    for attachment in attachments where attachment.name != "recipe" {
      let hash = attachment.bytes.withUnsafeBytes { VQ4Hash(of: $0) }
      members.append((attachment.name, .string(hash.description)))
    }
    for shard in conversion.checkpoint.shards {
      let header = try shard.header().withUnsafeBytes { VQ4Hash(of: $0) }
      members.append(
        (
          shard.name,
          .array([
            .integer(shard.byteCount), .integer(shard.modificationTimeNs),
            .string(header.description),
          ])
        ))
    }
    text = JSONValue.object(JSONObject(members)).text
  }

  private static func hash(of plan: ConversionPlan) -> VQ4Hash {
    let lines = plan.rows.map {
      "\($0.group) \($0.name) \($0.shape) \($0.precision) \($0.groupSize)\n"
    }
    return Array(lines.joined().utf8).withUnsafeBytes { VQ4Hash(of: $0) }
  }

  /// What differs from the identity of a stopped conversion, in words; nil where nothing does.
  func difference(from stopped: String) -> String? {
    guard stopped != text else { return nil }
    guard let ours = (try? JSONValue(parsing: text))?.objectValue,
      let theirs = (try? JSONValue(parsing: stopped))?.objectValue
    else { return "its journal cannot be understood" }
    for (key, value) in ours.members where theirs[key] != value {
      switch key {
      case "journal", "converter": return "it was begun by another version of varconvert"
      case "zstd": return "it was begun with another version of libzstd"
      case "layout": return "it was begun with layout \(theirs[key]?.stringValue ?? "")"
      case "adapters": return "it was begun with other adapters or scales"
      case "calibration": return "it was begun with another calibration"
      case "recipe", "plan": return "it was begun with another recipe"
      default: return "\(key) is not what it was then"
      }
    }
    let missing = theirs.members.first { ours[$0.0] == nil }
    return "\(missing?.0 ?? "the checkpoint") is not there any more"
  }
}
