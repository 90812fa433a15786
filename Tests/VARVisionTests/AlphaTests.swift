import Testing
import VARTestSupport
import VARVision

/// Transparent pixels lie on white, whatever colour is stored under them.
@Suite struct AlphaTests {
  static let expected = try! SafetensorsFile(fixture: "images/on_white.safetensors")
  static let files = expected.names

  @Test(arguments: files) func transparentPicturesLieOnWhiteAsPillowPastesThem(name: String) throws
  {
    let image = try ImageDecoder.decode(path: Fixtures.path("images/\(name)"))
    let wanted = try Self.expected.integers(name).map { UInt8($0) }
    let wrong = zip(image.pixels, wanted).enumerated().first { $1.0 != $1.1 }
    #expect(wrong == nil, "\(name): \(String(describing: wrong))")
    #expect(image.pixels.count == wanted.count)
    // The reference drops alpha: that differs for every one of them.
    let dropped = try ImageDecoder.decode(path: Fixtures.path("images/\(name)"), alpha: .dropped)
    #expect(dropped != image, "\(name)")
  }

  @Test func everyKindOfTransparencyIsCovered() {
    for kind in ["rgba8", "rgba16", "grey_alpha8", "grey_alpha16", "palette4"] {
      #expect(Self.files.contains(kind + ".png") && Self.files.contains(kind + "_interlaced.png"))
    }
    let depths = [
      "grey1", "grey2", "grey4", "grey8", "grey16", "rgb8", "rgb16", "palette1", "palette2",
      "palette8",
    ]
    for kind in depths {
      #expect(Self.files.contains("trns_\(kind).png"))
      #expect(Self.files.contains("trns_\(kind)_interlaced.png"))
    }
    #expect(Self.files.contains("lossy_alpha.webp") && Self.files.contains("lossless_alpha.webp"))
    #expect(Self.files.count == 32)
  }

  /// Samples along x, alpha along y.
  @Test func everySampleUnderEveryAlphaIsTheNearestByte() throws {
    var rows: [UInt8] = []
    for alpha in 0...255 {
      rows.append(0)
      for sample in 0...255 {
        rows += [UInt8(sample), UInt8(255 - sample), 0, UInt8(alpha)]
      }
    }
    let image = try ImageDecoder.decode(PNGChunks.file(width: 256, height: 256, colour: 6, rows))
    for alpha in 0...255 {
      for sample in 0...255 {
        let start = (alpha * 256 + sample) * 3
        let exact = [sample, 255 - sample, 0].map {
          Double($0 * alpha + 255 * (255 - alpha)) / 255
        }
        let nearest = exact.map { UInt8($0.rounded()) }
        guard Array(image.pixels[start..<start + 3]) != nearest else { continue }
        Issue.record("sample \(sample) under alpha \(alpha)")
        return
      }
    }
    #expect(image.pixels[..<(256 * 3)].allSatisfy { $0 == 255 }, "alpha 0 is white")
  }

  @Test func aFullyOpaqueAlphaChangesNothing() throws {
    let pixels: [UInt8] = [1, 2, 3, 255, 254, 0, 128, 255]
    let bytes = PNGChunks.file(width: 2, height: 1, colour: 6, [0] + pixels)
    #expect(try ImageDecoder.decode(bytes).pixels == [1, 2, 3, 254, 0, 128])
    #expect(try ImageDecoder.decode(bytes, alpha: .dropped).pixels == [1, 2, 3, 254, 0, 128])
  }
}
