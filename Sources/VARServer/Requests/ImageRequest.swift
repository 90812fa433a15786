import VARJSON
import VARLite

/// The body of a request for pictures, drawn anew or after others.
struct ImageRequest {
  /// The file that a picture becomes.
  enum Format: Equatable {
    case png
    case jpeg(quality: Int)

    var name: String { self == .png ? "png" : "jpeg" }
  }

  /// The model that is asked; nil: any.
  let model: String?
  /// What to draw, or to change.
  let prompt: String
  /// The pictures to change; none for a new one.
  let sources: [Picture]
  /// Pictures that a request may ask for.
  static let counts = 1...10

  /// Pictures to draw, with seeds one after the other.
  let count: Int
  let seed: UInt64
  /// As the client wrote it; nil: the model's own choice.
  let size: String?
  let format: Format
  /// Whether the answer is a stream of events.
  let isStream: Bool
  /// Previews of each picture that a stream shows.
  let previewCount: Int
  /// The drawing whose coarse scales the pictures have, and how many of them; nil: none.
  var variation: (original: OriginalDrawing, keptScaleCount: Int)?

  /// - Parameter sources: the pictures to change; nil: there can be none.
  init(_ fields: Fields, sources: [Picture]?) throws(APIError) {
    if fields["mask"] != nil { throw Self.maskRefusal }
    model = try fields.text("model")
    let prompt = try fields.text("prompt") ?? ""
    guard prompt.contains(where: { !$0.isWhitespace }) else {
      throw .invalid("prompt", "prompt is missing or empty; say what you want")
    }
    self.prompt = try ChatMessages.checked(prompt, "prompt")
    self.sources = sources ?? []
    count = try fields.integer("n", in: Self.counts) ?? 1
    seed = try fields.seed()
    guard seed + UInt64(count - 1) <= UInt64(Int.max) else {
      throw .invalid("seed", "seed has no room for \(count) pictures; take a smaller one")
    }
    size = try fields.text("size").flatMap { $0 == "auto" || $0.isEmpty ? nil : $0 }
    format = try Self.format(fields)
    isStream = try fields.flag("stream") ?? false
    previewCount = try fields.integer("partial_images", in: 0...3) ?? 0
  }

  static var maskRefusal: APIError {
    .unsupported("mask", "masks are not supported: say in the prompt what to change")
  }

  private static func format(_ fields: Fields) throws(APIError) -> Format {
    switch try fields.text("output_format") {
    case nil, "png": return .png
    case "jpeg", "jpg":
      let quality = try fields.integer("output_compression", in: 0...100) ?? 90
      return .jpeg(quality: max(1, quality))
    case let name?:
      throw .unsupported(
        "output_format", "pictures are written as png or jpeg, not \(name.prefix(32))")
    }
  }

  /// The request for the picture of this number, from 0 on.
  func request(_ index: Int, _ served: ServedModel) throws(APIError) -> Request {
    let seed = seed &+ UInt64(index)
    var drawing = DrawingRequest(seed: seed)
    if let variation {
      drawing = DrawingRequest(
        varying: variation.original.state, keepingScales: variation.keptScaleCount, seed: seed)
    } else if let size {
      guard let offered = served.sizes.first(where: { $0.text == size.lowercased() }) else {
        let list = served.sizes.map(\.text).joined(separator: ", ")
        throw .invalid("size", "no size \(size.prefix(32)); there are auto, \(list)")
      }
      drawing.size = offered.size
      drawing.aspect = offered.aspect
    } else if let source = sources.first {
      do throws(VARLiteError) {
        let (width, height) = try source.extents()
        drawing.aspect = .nearest(width: Double(width), height: Double(height))
      } catch { throw APIError(error) }
    }
    if isStream, previewCount > 0 { drawing.previews = .count(previewCount) }
    var request = Request(prompt, pictures: sources, drawing: drawing)
    request.text.seed = drawing.seed
    request.kvType = variation?.original.state.kvType
    return request
  }
}
