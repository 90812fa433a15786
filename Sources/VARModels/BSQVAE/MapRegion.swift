import VARKernels

/// The maps of one level of the picture tokenizer, row by row in slots.
///
/// A slot first holds a row of the level's input. What the first block makes of it takes its place: a row of the
/// block's inner map, and behind it a row of the level's map, in which the other blocks go on. So a block never takes
/// more than two maps, and a level's input, twice as wide where the channels halve, no memory of its own.
struct MapRegion {
  let type: MapType
  let height: Int
  let width: Int
  /// Of the map that comes in.
  let inputChannels: Int
  let channels: Int

  private func rowByteCount(_ channels: Int) -> Int { width * channels * type.byteCount }

  private var slotByteCount: Int { rowByteCount(max(inputChannels, 2 * channels)) }

  var byteCount: Int { height * slotByteCount }

  /// The map that comes in; where no channels change it is the level's map itself.
  func input(_ base: UnsafeMutableRawPointer) -> FeatureMap {
    inputChannels == channels ? map(base) : slots(base, channels: inputChannels)
  }

  /// The inner map of a block.
  func inner(_ base: UnsafeMutableRawPointer) -> FeatureMap { slots(base, channels: channels) }

  /// The level's map.
  func map(_ base: UnsafeMutableRawPointer) -> FeatureMap {
    slots(base + rowByteCount(channels), channels: channels)
  }

  private func slots(_ base: UnsafeMutableRawPointer, channels: Int) -> FeatureMap {
    FeatureMap(
      base, type: type, shape: MapShape(height: height, width: width, channels: channels),
      rowByteCount: slotByteCount)
  }
}
