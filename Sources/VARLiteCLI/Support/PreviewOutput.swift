import VARLite
import VARSharedCLI
import VARSystem
import VARVision

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Shows what a picture looks like while it is drawn: in a file, on the terminal, or both. What cannot be shown is said
/// once, and the drawing goes on.
final class PreviewOutput {
  private let path: String?
  private let format: TerminalPictureFormat?
  private let quality: DrawingRequest.PreviewQuality
  private let hasTrueColour: Bool
  private var hasFailed = false

  /// Sides of a preview at most, pixels: more would show no more of it.
  private static let largestSide = 256
  /// Pixels of a token along each side.
  private static let tokenSide = 16
  /// Bytes of a model whose picture decoder is done in a moment.
  private static let smallModelByteCount = 100 << 20

  /// - Returns: nil where the drawing is not watched.
  init?(_ options: PreviewOptions, _ modelOptions: ModelOptions, _ model: Model) {
    path = options.preview
    var format = options.terminalFormat(isQuiet: modelOptions.quiet)
    if path == nil, case .auto = options.previewTerminal, options.previewQuality == .quick {
      // Nobody asked for what takes time and memory.
      let isQuick = model.hasQuickPreviews || model.fileByteCount < Self.smallModelByteCount
      if !isQuick { format = nil }
    }
    self.format = format
    quality = options.previewQuality == .vae ? .decoded : .quick
    let colours = Console.variable("COLORTERM") ?? ""
    hasTrueColour = colours.contains("truecolor") || colours.contains("24bit")
    if path == nil, format == nil { return nil }
  }

  /// The request with previews.
  func asked(_ request: Request) -> Request {
    var request = request
    request.drawing?.previews = .everyScale
    request.drawing?.previewQuality = quality
    return request
  }

  func show(_ preview: Preview, _ progress: ProgressLine) {
    let picture = preview.isQuick ? enlarged(preview.picture) : preview.picture
    show(picture, png: nil, progress)
  }

  /// - Parameter png: the picture as a file; nil: it is encoded if need be.
  func show(_ picture: RGBImage, png: [UInt8]?, _ progress: ProgressLine) {
    do {
      if let path {
        // It is written again and again.
        let bytes = try png ?? PNGEncoder.encode(picture, isQuick: true)
        try FileOutput.write(
          FileContent(bytes), to: path, keepsUnnamed: false, isFlushed: false)
      }
      if let format {
        let size = Terminal.size(STDERR_FILENO)
        let screen = TerminalPicture.Screen(
          columns: size.columns, rows: size.rows, width: size.width, height: size.height)
        let shown = try TerminalPicture(
          reduced(picture), as: format, on: screen, hasTrueColour: hasTrueColour)
        if let shown { progress.show(shown) }
      }
    } catch {
      if !hasFailed { progress.line("varlite: \(error); the drawing goes on without previews") }
      hasFailed = true
    }
  }

  /// A picture of tokens at the size of the drawing, or at a whole part of it.
  private func enlarged(_ picture: RGBImage) -> RGBImage {
    let factor = min(Self.tokenSide, Self.largestSide / max(picture.width, picture.height))
    guard factor > 1 else { return picture }
    return picture.resized(width: picture.width * factor, height: picture.height * factor)
  }

  /// A picture that a terminal need not make smaller.
  private func reduced(_ picture: RGBImage) -> RGBImage {
    let side = max(picture.width, picture.height)
    guard side > Self.largestSide else { return picture }
    return picture.resized(
      width: max(1, picture.width * Self.largestSide / side),
      height: max(1, picture.height * Self.largestSide / side))
  }
}
