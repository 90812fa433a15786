import CVARKernels
import VARKernels

/// Element type of cached keys and values.
public enum KVType: String, Sendable, CaseIterable {
  /// 8-bit codes with a scale per token and head.
  case int8
  case f16
  case f32

  var kernelType: Int32 {
    switch self {
    case .int8: Int32(CVAR_INT8.rawValue)
    case .f16: Int32(CVAR_F16.rawValue)
    case .f32: Int32(CVAR_F32.rawValue)
    }
  }

  /// The type for a file where the user names none: int8 beside a language model of quantized weights, else f32, since
  /// such a file is what others are held against.
  package init(defaultFor weights: ModelWeights) {
    self = weights.isQuantized(.llm) ? .int8 : .f32
  }

  /// Bytes of the numbers of one key or value, without its scale.
  func byteCount(_ numbers: Int) -> Int {
    switch self {
    case .int8: numbers
    case .f16: numbers * 2
    case .f32: numbers * 4
    }
  }
}

/// Keys and values of one sequence in all layers (`cvar_kv` has the order of the numbers).
///
/// The first positions have a place in every layer. The positions after them have one place in all, the tail, which
/// each layer overwrites in its turn: no later call looks at them. The tokens of a picture's last scale lie there.
///
///     bytes of a run of P positions   2 * kvHeads * P * (headDim * bytes of a number + 4 for a scale, in int8)
///     the cache                       layers * run(capacity) + run(tail), P rounded up to 16
///     with int8, besides              (capacity + tail) * headDim * 4 of rotary tables
///
/// It is a part of whoever reserves it: the language model's is in `LanguageSession.reserve`, whose memory
/// `Conversation` takes when a turn is read; those of a picture are in `DrawingBuffers.reserve`.
package struct KVCache {
  /// The keys and values of a position.
  package struct Shape: Sendable {
    let type: KVType
    let layerCount: Int
    let kvHeads: Int
    let headDim: Int
    let hasKeyBias: Bool

    /// - Parameters:
    ///   - layerCount: 1 where every layer uses the cache in turn.
    ///   - hasKeyBias: a bias is in the keys before they are rotated; a cache in int8 takes the bias out again.
    package init(
      _ type: KVType, layerCount: Int, kvHeads: Int, headDim: Int, hasKeyBias: Bool = false
    ) {
      self.type = type
      self.layerCount = layerCount
      self.kvHeads = kvHeads
      self.headDim = headDim
      self.hasKeyBias = hasKeyBias
    }

    /// Keys and values of one layer at so many positions.
    fileprivate func runByteCount(_ positions: Int) -> Int {
      let heads = kvHeads * positions
      let scales = type == .int8 ? heads * MemoryLayout<Float>.stride : 0
      return 2 * (type.byteCount(heads * headDim) + scales)
    }
  }

  /// Size and place of a cache in a plan.
  package struct Layout: Sendable {
    let shape: Shape
    /// Positions that every layer keeps, a whole number of key groups.
    package let capacity: Int
    /// Positions after them.
    package let tailCapacity: Int
    let body: MemoryPlan.ID
    let tail, rotary: MemoryPlan.ID?

    /// - Parameters:
    ///   - capacity: positions that later calls look at.
    ///   - tailCapacity: positions after them that only the call that stores them looks at.
    package static func reserve(
      _ plan: inout MemoryPlan, _ name: String, _ shape: Shape, capacity: Int,
      tailCapacity: Int = 0
    ) -> Layout {
      let body = wholeGroups(capacity)
      let tail = wholeGroups(max(0, capacity + tailCapacity - body))
      func reserve(_ part: String, _ byteCount: Int) -> MemoryPlan.ID {
        plan.reserve(name + part, byteCount: byteCount, .keysAndValues)
      }
      return Layout(
        shape: shape, capacity: body, tailCapacity: tail,
        body: reserve("", shape.layerCount * shape.runByteCount(body)),
        tail: tail == 0 ? nil : reserve(".tail", shape.runByteCount(tail)),
        rotary: shape.hasKeyBias && shape.type == .int8
          ? reserve(".rotary", (body + tail) * shape.headDim * 4) : nil)
    }

    private static func wholeGroups(_ positions: Int) -> Int {
      let group = Int(CVAR_KEY_GROUP)
      return (positions + group - 1) / group * group
    }
  }

  package let layout: Layout
  private let body: UnsafeMutableRawPointer
  private let tail: UnsafeMutableRawPointer?
  private let cosines, sines: UnsafeMutablePointer<Float>?

  private var shape: Shape { layout.shape }

  package init(_ layout: Layout, arena: Arena) {
    let shape = layout.shape
    self.layout = layout
    body = arena.raw(layout.body)
    tail = layout.tail.map { arena.raw($0) }
    cosines = layout.rotary.map { arena.floats($0) }
    let tableLength = (layout.capacity + layout.tailCapacity) * shape.headDim / 2
    sines = cosines.map { $0 + tableLength }
  }

  /// The cache of a layer. A cache of one layer serves every layer in turn: nothing outlives the layer then.
  ///
  /// - Parameter keyBias: the bias `[kvHeads, headDim]` that the layer's keys come with, in a cache with `hasKeyBias`.
  package func layer(_ index: Int, keyBias: UnsafePointer<Float>? = nil) -> cvar_kv {
    let place = shape.layerCount == 1 ? 0 : index
    let byteCount = shape.runByteCount(layout.capacity)
    var layer = cvar_kv()
    layer.type = shape.type.kernelType
    layer.kv_heads = Int32(shape.kvHeads)
    layer.head_dim = Int32(shape.headDim)
    layer.body = run(body + place * byteCount, capacity: layout.capacity)
    if let tail { layer.tail = run(tail, capacity: layout.tailCapacity) }
    if shape.type == .int8, let keyBias {
      precondition(cosines != nil, "the cache has no place for rotary tables")
      layer.key_bias = keyBias
      layer.cos = UnsafePointer(cosines)
      layer.sin = UnsafePointer(sines)
    }
    return layer
  }

  private func run(_ start: UnsafeMutableRawPointer, capacity: Int) -> cvar_kv_run {
    let heads = shape.kvHeads * capacity
    let numbers = shape.type.byteCount(heads * shape.headDim)
    var run = cvar_kv_run()
    run.capacity = Int32(capacity)
    run.keys = start
    run.values = start + numbers
    if shape.type == .int8 {
      run.key_scales = (start + 2 * numbers).assumingMemoryBound(to: Float.self)
      run.value_scales = run.key_scales + heads
    }
    return run
  }

  /// Keeps the rotary tables of the rows that lie from position `first` on, where the cache needs them; before the keys
  /// of these positions are stored.
  package func storeRotary(first: Int, _ tables: RotaryTables) {
    guard let cosines, let sines else { return }
    let rows = tables.cosines.count
    precondition(
      first + rows <= layout.capacity + layout.tailCapacity, "rotary tables pass the cache")
    let half = shape.headDim / 2
    let group = Int(CVAR_KEY_GROUP)
    for row in 0..<rows {
      let start = (first + row) / group * half * group + (first + row) % group
      let (rowCosines, rowSines) = (tables.cosines[row], tables.sines[row])
      for index in 0..<half {
        cosines[start + index * group] = rowCosines[index]
        sines[start + index * group] = rowSines[index]
      }
    }
  }
}
