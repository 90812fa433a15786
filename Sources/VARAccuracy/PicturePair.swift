import VARVision

/// One picture as the reference and a model draw it of the same seed, each by itself.
package struct PicturePair: Sendable {
  package let prompt: String
  package let reference, drawn: RGBImage

  /// In dB; 99 for equal pictures.
  package var psnr: Double { peakSignalToNoise(drawn, reference) }
  /// 1 for equal pictures.
  package var similarity: Double { structuralSimilarity(drawn, reference) }
}
