import VARJSON
import VARKernels
import VARVision
import VQ4Format

/// What the file of a picture tells of how it was drawn: enough to draw it again. No path, date, thread or processor is
/// in it, so that the same pictures have the same bytes.
package struct PictureTexts: Sendable, Equatable {
  /// What the model was asked.
  package struct Asked: Sendable, Equatable {
    /// The words of the last message, with the marks of its pictures.
    package var prompt: String
    /// The system message that stands in the place of the model's own.
    package var system: String?
    /// Bounds on the pictures that the model looks at, where they are not its own.
    package var minimumPicturePixels, maximumPicturePixels: Int?
  }

  /// What the model was asked.
  package let asked: Asked
  /// The drawing, without its bits.
  package let state: DrawingState
  /// Scales that the picture has; fewer than all where it was stopped.
  package let scaleCount: Int
  /// The program that wrote the file.
  package private(set) var software = "varlite \(PackageVersion.text)"

  package var isComplete: Bool { scaleCount == state.schedule.scales.count }

  init(_ asked: Asked, _ state: DrawingState) {
    self.asked = asked
    scaleCount = state.bits.count
    var state = state
    state.bits = []
    self.state = state
  }
}

extension PictureTexts.Asked {
  init(_ request: Request) {
    prompt = request.messages.last?.text ?? ""
    system = request.messages.first.flatMap { $0.role == .system ? $0.text : nil }
    minimumPicturePixels = request.minimumPicturePixels
    maximumPicturePixels = request.maximumPicturePixels
  }
}

// MARK: Writing

extension PictureTexts {
  private enum Key {
    static let software = "Software", prompt = "prompt", seed = "seed", settings = "settings"
    static let model = "model", comment = "Comment", hash = "hash"
    static let all = [software, prompt, seed, settings, model, comment, hash]
  }

  /// What the texts are called, that of the hash last.
  package static let keywords = Key.all

  /// The texts as a file has them, the hash of them and of the pixels last.
  package func entries(for image: RGBImage) -> [(key: String, value: String)] {
    var entries: [(key: String, value: String)] = [
      (Key.software, software), (Key.prompt, asked.prompt), (Key.seed, "\(state.seed)"),
      (Key.settings, JSONValue.object(settings).text), (Key.model, state.model),
    ]
    if let comment { entries.append((Key.comment, comment)) }
    return entries + [(Key.hash, Self.hash(entries, image))]
  }

  /// For whoever looks at the file with another program.
  private var comment: String? {
    isComplete ? nil : "stopped after scale \(scaleCount) of \(state.schedule.scales.count)"
  }

  /// How the picture was drawn, for programs.
  package var settings: JSONObject {
    var settings = JSONObject()
    for (key, value) in state.json.members where key != "model" {
      settings[key == "prompt" ? "prompt_hash" : key] = value
    }
    if !isComplete { settings["drawn_scales"] = .integer(scaleCount) }
    if let system = asked.system { settings["system"] = .string(system) }
    if let pixels = asked.minimumPicturePixels { settings["min_pixels"] = .integer(pixels) }
    if let pixels = asked.maximumPicturePixels { settings["max_pixels"] = .integer(pixels) }
    return settings
  }

  /// 32 hexadecimal digits.
  package static func hash(
    _ entries: [(key: String, value: String)], _ image: RGBImage
  ) -> String {
    let pixels = image.pixels.withUnsafeBytes { VQ4Hash(of: $0) }
    let picture = ["\(image.width)", "\(image.height)", "\(pixels)"]
    let words = entries.flatMap { [$0.key, $0.value] } + picture
    let bytes = words.flatMap { word -> [UInt8] in Array(word.utf8) + [0] }
    return bytes.withUnsafeBytes { "\(VQ4Hash(of: $0))" }
  }
}

// MARK: Reading

extension PictureTexts {
  /// Reads the texts of a PNG file and compares their hash.
  ///
  /// - Parameter name: the file, in errors.
  /// - Throws: `picture` for a file that does not tell how it was drawn, or was changed since.
  package init(png: [UInt8], name: String, limits: ImageLimits) throws(VARLiteError) {
    func refusal(_ what: String) -> VARLiteError { VARLiteError(.picture, "\(name): \(what)") }
    guard PNGTexts.isPNG(png) else {
      throw refusal(
        png.starts(with: [0xFF, 0xD8])
          ? "is a JPEG, which does not tell how it was drawn; give a PNG that was drawn here"
          : "is no PNG, which alone tells how it was drawn")
    }
    var entries = PNGTexts.read(png, keywords: Set(Key.all))
    func value(_ key: String) -> String? { entries.first { $0.key == key }?.value }
    guard value(Key.settings) != nil else {
      throw refusal("does not tell how it was drawn: it has no settings")
    }
    guard let hash = value(Key.hash) else {
      throw refusal(
        "its texts were cut, or an older version wrote it: they have no hash; draw it again")
    }
    guard Set(entries.map(\.key)).count == entries.count else {
      throw refusal("its texts were changed: one stands there twice")
    }
    entries.removeAll { $0.key == Key.hash }
    guard hash == Self.hash(entries, try Self.pixels(png, name, limits)) else {
      throw refusal("its texts or its pixels were changed since it was drawn: their hash differs")
    }
    guard let texts = Self(entries.reduce(into: [:]) { $0[$1.key] = $1.value }) else {
      throw refusal("its settings are not complete")
    }
    self = texts
  }

  private static func pixels(
    _ png: [UInt8], _ name: String, _ limits: ImageLimits
  ) throws(VARLiteError) -> RGBImage {
    do throws(ImageError) {
      return try ImageDecoder.decode(png, name: name, limits: limits)
    } catch { throw VARLiteError(error) }
  }

  private init?(_ texts: [String: String]) {
    guard let software = texts[Key.software], let prompt = texts[Key.prompt],
      let model = texts[Key.model], let text = texts[Key.settings],
      case .object(let settings)? = try? JSONValue(parsing: text),
      let promptHash = settings["prompt_hash"]
    else { return nil }
    var json = settings
    (json["model"], json["prompt"]) = (.string(model), promptHash)
    guard let state = DrawingState(json: .object(json)), texts[Key.seed] == "\(state.seed)" else {
      return nil
    }
    let all = state.schedule.scales.count
    func number(_ key: String, _ range: ClosedRange<Int>) -> Int?? {
      guard let value = settings[key] else { return .some(nil) }
      return value.integerValue.flatMap { range.contains($0) ? $0 : nil }
    }
    guard let drawn = number("drawn_scales", 1...all),
      let minimum = number("min_pixels", 1...1 << 30),
      let maximum = number("max_pixels", 1...1 << 30),
      let system = settings["system"].map(\.stringValue) ?? .some(nil)
    else { return nil }
    asked = Asked(
      prompt: prompt, system: system, minimumPicturePixels: minimum, maximumPicturePixels: maximum)
    self.state = state
    scaleCount = drawn ?? all
    self.software = software
  }
}
