import VARKernels

/// The one buffer in which the picture tokenizer's encoder or decoder works on one picture.
///
/// At its beginning lie the sums and gains of group norm, behind them the maps of the level at work, and behind those
/// what the convolution at work needs.
package struct VAEWorkspace {
  let layout: Layout
  private let base: UnsafeMutableRawPointer

  package struct Layout: Sendable {
    let buffer: MemoryPlan.ID
    let byteCount: Int
    let mostChannels: Int
    /// What the first convolution reads.
    let source: MapShape
    let division: StripDivision

    var normByteCount: Int { Self.normByteCount(mostChannels) }

    /// Two sums in f64 and two gains in f32 for each channel.
    static func normByteCount(_ channels: Int) -> Int { (channels * 24 + 63) / 64 * 64 }
  }

  package init(_ layout: Layout, arena: Arena) {
    self.layout = layout
    base = arena.raw(layout.buffer)
  }

  var sums: ChannelSums { ChannelSums(base.assumingMemoryBound(to: Double.self)) }

  var gains: UnsafeMutablePointer<Float> {
    (base + layout.mostChannels * 16).assumingMemoryBound(to: Float.self)
  }

  var maps: UnsafeMutableRawPointer { base + layout.normByteCount }

  /// The memory of a convolution, behind the maps.
  func strips(_ shape: StripShape, mapByteCount: Int) -> UnsafeMutableRawPointer {
    let offset = layout.normByteCount + VAENetwork.aligned(mapByteCount)
    precondition(offset + shape.byteCount <= layout.byteCount, "a convolution passes the plan")
    return base + offset
  }
}
