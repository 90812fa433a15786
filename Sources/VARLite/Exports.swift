// What the facade's types are made of, under the one import of the product.

import VARKernels
import VARModels
import VARSystem
import VARVision

/// A picture in memory: `[height, width, 3]`, red, green, blue, 8 bits each.
public typealias RGBImage = VARVision.RGBImage
/// Type of cached keys and values.
public typealias KVType = VARModels.KVType
/// A size in pixels.
public typealias PixelSize = VARModels.PixelSize
/// An official size of pictures, by the area of their pixels.
public typealias PixelBudget = VARModels.PixelBudget
/// The tokens along both sides of a scale.
public typealias GridSize = VARModels.GridSize
/// The scales of a picture.
public typealias ScaleSchedule = VARModels.ScaleSchedule
/// The kernels of a kind of processor.
public typealias InstructionSet = VARKernels.InstructionSet
/// Resident memory of this process.
public typealias ProcessMemory = VARSystem.ProcessMemory
/// The memory of the system.
public typealias SystemMemory = VARSystem.SystemMemory
/// Ends the process with a message, in the place of a signal's, where a mapped file is cut while it is in use.
public typealias MappingGuard = VARSystem.MappingGuard
