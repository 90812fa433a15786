import ArgumentParser
import VARLite
import VARVision

/// How a picture is stored.
struct StorageOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Quality of a JPEG, 1 to 100; default: \(JPEGEncoder.defaultQuality).", valueName: "n"))
  var quality: Int?

  func validate() throws {
    if let quality, !(1...100).contains(quality) {
      throw ValidationError("--quality is 1 to 100, not \(quality)")
    }
  }
}

/// A picture's file, and its format: the name decides, here and nowhere else.
struct PictureOutput {
  enum Format: Equatable {
    case png
    case jpeg(quality: Int)
  }

  let path: String
  let format: Format

  private static let jpegEndings: Set = ["jpg", "jpeg", "jpe", "jfif"]

  /// Formats that nothing here writes, by the endings of their names.
  private static let otherFormats: [String: String] = {
    let endings: [String: String] = [
      "WebP": "webp", "GIF": "gif", "BMP": "bmp dib", "TIFF": "tif tiff", "AVIF": "avif avifs",
      "HEIF": "heic heif hif", "JPEG XL": "jxl", "JPEG 2000": "jp2 j2k jpf jpx jpm j2c",
      "JPEG XR": "jxr wdp hdp", "a Windows icon": "ico cur", "TGA": "tga", "PCX": "pcx",
      "Netpbm": "ppm pgm pbm pnm pam pfm", "QOI": "qoi", "DDS": "dds", "OpenEXR": "exr",
      "Radiance": "hdr", "Photoshop": "psd psb", "GIMP": "xcf", "a camera's raw format": "dng",
      "SVG": "svg svgz", "PDF": "pdf", "PostScript": "ps eps", "a video": "mp4 webm mov mkv avi",
      "HTML": "html htm", "JSON": "json", "a text": "txt md", "a model": "vq4 safetensors",
    ]
    return endings.reduce(into: [:]) { formats, entry in
      for ending in entry.value.split(separator: " ") { formats[String(ending)] = entry.key }
    }
  }()

  /// - Parameter quality: what the user asked for.
  /// - Throws: `request` for a name that asks for another format, and for a quality that means nothing.
  init(_ path: String, quality: Int?) throws(VARLiteError) {
    self.path = path
    // Pipes, devices and standard output get PNG, whatever they are called.
    let ending = path == "-" || FileOutput.isSpecial(path) ? "" : Self.ending(path)
    if let other = Self.otherFormats[ending] {
      throw VARLiteError(
        .request,
        "\(path): the name stands for \(other), pictures are written as PNG and JPEG; "
          + "name a .png or .jpg file")
    }
    guard Self.jpegEndings.contains(ending) else {
      guard quality == nil else {
        throw VARLiteError(
          .request, "--quality is for JPEG, and \(path) becomes a PNG; name a .jpg file")
      }
      format = .png
      return
    }
    format = .jpeg(quality: quality ?? JPEGEncoder.defaultQuality)
  }

  /// The path with a text behind the name, before its ending: `a/b.png` and `7` are `a/b-7.png`.
  static func numbered(_ path: String, _ text: String) -> String {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else {
      return "\(path)-\(text)"
    }
    return "\(path.dropLast(name[dot...].count))-\(text)\(name[dot...])"
  }

  /// What follows the last dot of the last part of a path, in small letters.
  private static func ending(_ path: String) -> String {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
    return name[name.index(after: dot)...].lowercased()
  }

  /// Writes the picture with texts that tell how it was made.
  func write(_ image: RGBImage, text: [(key: String, value: String)] = []) throws {
    try FileOutput.write(encoded(image, text: text), to: path)
  }

  /// The bytes of the file.
  func encoded(_ image: RGBImage, text: [(key: String, value: String)]) throws -> [UInt8] {
    switch format {
    case .png: try PNGEncoder.encode(image, text: text)
    case .jpeg(let quality): try JPEGEncoder.encode(image, quality: quality, text: text)
    }
  }
}
