import ArgumentParser
import VARLite
import VARVision

/// How a drawing is watched.
struct PreviewOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Write what the picture looks like so far to this PNG file after each scale.",
      valueName: "file.png"),
    completion: .file(extensions: ["png", "PNG"]))
  var preview: String?

  @Option(
    help: ArgumentHelp(
      """
      quick: by a map of colours in the model's file, small and in no time; files without one take the decoder. vae: by \
      the picture decoder, each time.
      """, valueName: "quick|vae"))
  var previewQuality = Quality.quick

  @Option(
    help: ArgumentHelp(
      """
      How the terminal takes pictures of the drawing. auto: as its environment says; off in files, on dumb terminals \
      and where NO_COLOR is set.
      """, valueName: "auto|kitty|iterm2|sixel|blocks|off"))
  var previewTerminal = TerminalChoice.auto

  @Flag(help: "No pictures of the drawing while it is drawn.")
  var noPreview = false

  enum Quality: String, ExpressibleByArgument, CaseIterable {
    case quick, vae
  }

  /// How the terminal takes pictures.
  enum TerminalChoice: ExpressibleByArgument {
    case auto, off
    case format(TerminalPictureFormat)

    init?(argument: String) {
      switch argument {
      case "auto": self = .auto
      case "off": self = .off
      default:
        guard let format = TerminalPictureFormat(rawValue: argument) else { return nil }
        self = .format(format)
      }
    }

    static var allValueStrings: [String] {
      ["auto"] + TerminalPictureFormat.allCases.map(\.rawValue) + ["off"]
    }

    var defaultValueDescription: String { "auto" }
  }

  func validate() throws {
    guard noPreview else { return }
    if preview != nil { throw ValidationError("--preview and --no-preview exclude each other") }
    if case .format = previewTerminal {
      throw ValidationError("--preview-terminal and --no-preview exclude each other")
    }
  }

  /// Checks before the work that the file can be written, and that nothing is lost by it.
  func check(sparing inputs: [String]) throws {
    guard let preview else { return }
    guard preview != "-" else {
      throw VARLiteError(.request, "--preview writes a file after each scale; name one")
    }
    guard try PictureOutput(preview, quality: nil).format == .png else {
      throw VARLiteError(.request, "\(preview): previews are PNG files; name a .png file")
    }
    try FileOutput.check(preview, sparing: inputs)
  }

  /// How the terminal is to be sent pictures; nil where it is not.
  func terminalFormat(isQuiet: Bool) -> TerminalPictureFormat? {
    guard !noPreview, !isQuiet, Console.errorIsTerminal else { return nil }
    switch previewTerminal {
    case .off: return nil
    case .auto: return .detected(Console.variable)
    case .format(let format):
      return Console.variable("TERM") == "dumb" || Console.variable("NO_COLOR") ?? "" != ""
        ? nil : format
    }
  }
}
