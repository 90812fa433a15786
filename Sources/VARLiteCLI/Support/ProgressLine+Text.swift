import VARLite
import VARModels

extension ProgressLine {
  /// A time that has passed.
  static func seconds(_ value: Double) -> String {
    let tenths = Int((min(value, 1e12) * 10).rounded())
    switch tenths {
    case ..<600: return "\(tenths / 10).\(tenths % 10) s"
    case ..<36_000: return "\(tenths / 600) min \(tenths / 10 % 60) s"
    default: return "\(tenths / 36_000) h \(tenths / 600 % 60) min"
    }
  }

  /// A time that has passed, for whoever measures.
  static func hundredths(_ value: Double) -> String {
    let whole = Int((value * 100).rounded())
    let digits = "\(100 + whole % 100)".dropFirst()
    return value < 60 ? "\(whole / 100).\(digits) s" : seconds(value)
  }

  /// A time to come, no more exactly than an estimate is.
  static func roughly(_ seconds: Double) -> String {
    let whole = Int(min(max(seconds, 1), 1e9).rounded(.up))
    switch whole {
    case ..<60: return "\(whole) s"
    case ..<595:
      let tens = (whole + 5) / 10
      return "\(tens / 6) min" + (tens % 6 == 0 ? "" : " \(tens % 6)0 s")
    case ..<3600: return "\((whole + 30) / 60) min"
    default: return "\(whole / 3600) h \(whole / 60 % 60) min"
    }
  }

  /// A size in powers of 1000, as files are sized: `4.2 MB`.
  static func bytes(_ count: Int) -> String {
    var (value, unit) = (count, 0)
    while value >= 1_000_000 {
      value /= 1000
      unit += 1
    }
    guard count >= 1000 else { return "\(count) B" }
    let tenths = (value + 50) / 100
    return "\(tenths / 10).\(tenths % 10) " + ["kB", "MB", "GB", "TB", "PB"][unit]
  }
}

extension VARLite.Progress.Stage {
  /// The part of a request that a stage belongs to; nil where it may be any.
  fileprivate static let parts: [VARLite.Progress.Stage: String] = [
    .looking: "pictures", .reading: "reading", .writing: "writing", .drawing: "drawing",
    .decoding: "pixels",
  ]

  var part: String? { Self.parts[self] }
}

extension Note {
  /// The note in the words of the command line.
  var text: String {
    let name = "picture \((picture ?? 0) + 1): "
    let (given, seen) = (givenSize?.text ?? "", size?.text ?? "")
    let count = tokenCount ?? 0
    switch kind {
    case .shrunkPicture:
      return name + "\(given) shrunk to \(seen) (\(count) tokens); --max-pixels changes the limit"
    case .enlargedPicture:
      return name
        + "\(given) enlarged to \(seen) (\(count) tokens); so small a picture shows little"
    case .unknownPictureSize:
      return name + "the model sees it in \(seen), its training had \(Self.list(knownSizes)); do "
        + "not expect much"
    case .unknownDrawingSize:
      return
        "the model was trained on pictures of \(Self.list(knownSizes)), not on \(seen); do not "
        + "expect much"
    case .limitedText:
      return "the model's context has room for \(count) more tokens; --max-tokens asks for more"
    case .decodedPreviews:
      return
        "the model's file has no map for quick previews, so that the picture decoder makes them; "
        + "converting the model again adds one, --no-preview leaves them out"
    default: return kind.rawValue
    }
  }

  private static func list(_ sizes: [PixelSize]) -> String {
    let shown = sizes.prefix(4).map(\.text).joined(separator: ", ")
    return sizes.count > 4 ? shown + ", ..." : shown
  }
}

extension PixelSize {
  /// Width and height, as people say it.
  var text: String { "\(width)x\(height)" }
}

extension RequestPlan {
  /// The plan for whoever wants to know everything.
  var verboseText: String {
    let text = PlanReport(plan: self, speed: nil, title: "plan").text
    return String(text.dropLast())
  }
}
