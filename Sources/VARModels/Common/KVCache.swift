import CVARKernels
import VARKernels

/// Element type of cached keys and values.
public enum KVType: String, Sendable, CaseIterable {
  case f32
  case f16

  var byteCount: Int { self == .f32 ? 4 : 2 }
  var kernelType: Int32 { Int32((self == .f32 ? CVAR_F32 : CVAR_F16).rawValue) }
}

/// Keys and values of one sequence: per layer `[kvHeads][capacity / 64][headDim][64]` keys and
/// `[kvHeads][capacity][headDim]` values.
package struct KVCache {
  /// Size and place of a cache in a plan.
  package struct Layout: Sendable {
    let type: KVType
    let layerCount: Int
    let kvHeads: Int
    let headDim: Int
    /// Positions, rounded up to whole key blocks.
    package let capacity: Int
    let buffer: MemoryPlan.ID

    package static func reserve(
      _ plan: inout MemoryPlan, _ name: String, type: KVType, layerCount: Int, kvHeads: Int,
      headDim: Int, capacity: Int
    ) -> Layout {
      let block = Int(CVAR_ATTENTION_BLOCK)
      let rounded = (capacity + block - 1) / block * block
      let byteCount = layerCount * 2 * kvHeads * headDim * rounded * type.byteCount
      return Layout(
        type: type, layerCount: layerCount, kvHeads: kvHeads, headDim: headDim, capacity: rounded,
        buffer: plan.reserve(name, byteCount: byteCount))
    }
  }

  package let layout: Layout
  private let base: UnsafeMutableRawPointer

  package init(_ layout: Layout, arena: Arena) {
    self.layout = layout
    base = arena.raw(layout.buffer)
  }

  /// The cache of a layer. A cache of one layer serves every layer in turn: nothing outlives the layer then.
  func layer(_ index: Int) -> cvar_kv {
    let half = layout.kvHeads * layout.headDim * layout.capacity * layout.type.byteCount
    let start = base + (layout.layerCount == 1 ? 0 : index) * 2 * half
    return cvar_kv(
      type: layout.type.kernelType, kv_heads: Int32(layout.kvHeads),
      head_dim: Int32(layout.headDim), capacity: Int32(layout.capacity), keys: start,
      values: start + half)
  }
}
