// swift-tools-version: 6.2
import PackageDescription

// What `varlite-server` links besides.
let served = TargetDependencyCondition.when(traits: ["Server"])

// Targets stand bottom-up: each may import only what stands above it.
// `Tests/TidyTests` holds the import table.
let package = Package(
  name: "VARLite",
  products: [
    .library(name: "VARLite", targets: ["VARLite"]),
    .executable(name: "varlite", targets: ["VARLiteCLI"]),
    .executable(name: "varconvert", targets: ["VARConvertCLI"]),
    .executable(name: "varbench", targets: ["VARBenchCLI"]),
    .executable(name: "varlite-server", targets: ["VARServerCLI"]),
  ],
  traits: [
    .trait(name: "Server", description: "Builds varlite-server, which needs an HTTP library."),
    .default(enabledTraits: ["Server"]),
  ],
  dependencies: [
    .package(
      url: "https://github.com/apple/swift-argument-parser", .upToNextMinor(from: "1.8.2")),
    // Only `varlite-server` links these. 2.28 brings swift-nio 2.101, without the known faults of 2.99 and older.
    .package(
      url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.20.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
  ],
  targets: [
    // System libraries.
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(
      name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(
      name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(
      name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .systemLibrary(
      name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
    .systemLibrary(
      name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(
      name: "CEdit", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),

    // Lines edited on a terminal, with a history.
    .target(name: "CLineEditor", dependencies: ["CEdit"]),
    // PNG, JPEG and WebP behind one C interface; longjmp stays inside.
    .target(name: "CImageIO", dependencies: ["CPNG", "CJPEG", "CWebP", "CZlib"]),
    // Scalar reference and SIMD kernels, CPU detection; no allocation, threads, I/O.
    .target(name: "CVARKernels"),
    // Fork-join pool of POSIX threads, processors, memory figures; a guard for mapped files that are cut.
    .target(name: "CVARSystem"),
    // Arguments, standard descriptors, limits and signals of a program.
    .target(name: "CVARProgram"),
    // The small trained model that `varlite` uses when none is named.
    .target(name: "CVARDemoModel", resources: [.copy("Resources/shapes.vq4")]),

    // The operating system: threads, a clock, memory, files. No other library calls the C library.
    .target(name: "VARSystem", dependencies: ["CVARSystem"]),
    // Checked entry points over the kernels, work on all threads, aligned arena.
    .target(name: "VARKernels", dependencies: ["CVARKernels", "VARSystem"]),
    // Strict JSON: duplicate keys, depth and number range are errors.
    .target(name: "VARJSON"),
    // Read, verify and write the `.vq4` container; no maths.
    .target(name: "VQ4Format", dependencies: ["CZstd", "CXXHash", "VARSystem", "VARJSON"]),
    // Byte-level BPE, special tokens, chat template.
    .target(name: "VARTokenizer", dependencies: ["VARSystem", "VARJSON"]),
    // Picture decode and encode, resize, patches.
    .target(name: "VARVision", dependencies: ["CImageIO", "CVARKernels", "VARSystem", "VARJSON"]),
    // Configurations, weight tables and forward passes of the networks.
    .target(
      name: "VARModels",
      dependencies: ["CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format"]),
    // Reads safetensors and PyTorch checkpoints, adapters, folders as hubs leave them; executes nothing.
    .target(name: "VARCheckpoint", dependencies: ["VARSystem", "VARJSON"]),
    // Quantizers, error measures, recipes.
    .target(name: "VARQuantization", dependencies: ["CVARKernels", "VARJSON"]),
    // Checkpoint to `.vq4`: fold, plan, stream.
    .target(
      name: "VARConversion",
      dependencies: [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARTokenizer",
        "VARModels", "VARCheckpoint", "VARQuantization",
      ]),
    // The library an app embeds: understand, generate, edit.
    .target(
      name: "VARLite",
      dependencies: [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARTokenizer",
        "VARVision", "VARModels",
      ]),
    // Reads an evaluation set of small scenes, has a model do its cases, and judges what comes.
    .target(
      name: "VAREvaluation", dependencies: ["VARSystem", "VARJSON", "VARVision", "VARLite"]),
    // Shows the layers of a model the tokens of many cases, answers and pictures being given.
    .target(
      name: "VARForcedRun",
      dependencies: [
        "VARSystem", "VARKernels", "VARVision", "VARModels", "VARLite", "VAREvaluation",
      ]),
    // Holds a model against another one of the same weights, with the history forced.
    .target(
      name: "VARAccuracy",
      dependencies: [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARVision", "VARModels",
        "VARLite", "VAREvaluation", "VARForcedRun",
      ]),
    // Sums what goes into the layers of a model.
    .target(
      name: "VARCalibration",
      dependencies: [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels",
        "VARQuantization", "VARConversion", "VARLite", "VARForcedRun",
      ]),
    // Keeps what layers make of a small case, and tells a good file and good kernels by it.
    .target(
      name: "VARCanaries",
      dependencies: [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARVision", "VARModels",
        "VARLite", "VARForcedRun",
      ]),
    // Finds the recipe for a size, by what the model then says.
    .target(
      name: "VARRecipeSearch",
      dependencies: [
        "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels", "VARCheckpoint",
        "VARQuantization", "VARConversion", "VARLite", "VARForcedRun", "VARAccuracy",
        "VARCalibration",
      ]),
    // Peak loops and the allocation counter of the benchmarks.
    .target(name: "CVARProbes"),
    // Measures the machine, the kernels and whole models of synthetic weights.
    .target(
      name: "VARBench",
      dependencies: [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels",
        "VARQuantization", "VARLite", "CVARProbes",
      ]),
    // What the programs have in common: start, limits, signals, version, names of commands, seeds, the terminal.
    .target(
      name: "VARSharedCLI",
      dependencies: [
        "CVARProgram", "VARSystem", "VARKernels", "VQ4Format", "VARLite",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    // Arguments and printing only.
    .executableTarget(
      name: "VARLiteCLI",
      dependencies: [
        "CLineEditor", "CVARDemoModel", "VARSystem", "VARKernels", "VARJSON", "VQ4Format",
        "VARTokenizer", "VARVision", "VARModels", "VARLite", "VAREvaluation", "VARForcedRun",
        "VARAccuracy", "VARCanaries", "VARSharedCLI",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "VARConvertCLI",
      dependencies: [
        "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARTokenizer", "VARModels",
        "VARCheckpoint", "VARQuantization", "VARConversion", "VARLite", "VAREvaluation",
        "VARForcedRun", "VARCalibration", "VARCanaries", "VARRecipeSearch", "VARSharedCLI",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "VARBenchCLI",
      dependencies: [
        "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels", "VARQuantization",
        "VARBench", "VARSharedCLI",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // Requests of clients become jobs of the runtime, and what comes of them answers; knows no sockets.
    .target(
      name: "VARServer",
      dependencies: ["VARSystem", "VARJSON", "VARModels", "VARLite"],
      resources: [.embedInCode("Page")]),
    // Sockets and HTTP for the server, by a library; built with the trait alone.
    .target(
      name: "VARServerHTTP",
      dependencies: [
        "VARServer",
        .product(name: "HummingbirdCore", package: "hummingbird", condition: served),
        .product(name: "NIOCore", package: "swift-nio", condition: served),
        .product(name: "NIOPosix", package: "swift-nio", condition: served),
        .product(name: "NIOHTTP1", package: "swift-nio", condition: served),
        .product(name: "NIOExtras", package: "swift-nio-extras", condition: served),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras", condition: served),
        .product(name: "HTTPTypes", package: "swift-http-types", condition: served),
        .product(name: "Logging", package: "swift-log", condition: served),
      ]),
    .executableTarget(
      name: "VARServerCLI",
      dependencies: [
        "CVARDemoModel", "VARSystem", "VARKernels", "VARJSON", "VARLite", "VARSharedCLI",
        "VARServer", "VARServerHTTP",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // Fixtures, golden values, seeded numbers for the tests.
    .target(name: "VARTestSupport", dependencies: ["VARJSON"], path: "Tests/VARTestSupport"),
    .testTarget(name: "VARVisionTests", dependencies: ["VARVision", "VARJSON", "VARTestSupport"]),
    .testTarget(name: "VARTestSupportTests", dependencies: ["VARTestSupport"]),
    // Comparisons of the kernels with their references, also built for aarch64 by `run_arm.sh`.
    .target(
      name: "CVARKernelChecks", dependencies: ["CVARKernels"], path: "Tests/c",
      exclude: ["kernels_test.c", "mutants.txt", "mutate.sh", "run_arm.sh", "wrong_kernels.sh"]),
    .testTarget(
      name: "VARSystemTests", dependencies: ["CVARSystem", "VARSystem", "VARTestSupport"]),
    .testTarget(
      name: "VARKernelsTests", dependencies: ["CVARKernels", "VARSystem", "VARKernels"]),
    .testTarget(name: "CVARKernelsTests", dependencies: ["CVARKernels", "CVARKernelChecks"]),
    .testTarget(name: "VARJSONTests", dependencies: ["VARJSON"]),
    .testTarget(
      name: "VQ4FormatTests",
      dependencies: ["VQ4Format", "CVARKernels", "CZstd", "CXXHash", "VARTestSupport"]),
    .testTarget(name: "VARCheckpointTests", dependencies: ["VARCheckpoint", "VARTestSupport"]),
    .testTarget(
      name: "VARQuantizationTests",
      dependencies: ["CVARKernels", "VARQuantization", "VARTestSupport"]),
    .testTarget(
      name: "VARConversionTests",
      dependencies: [
        "CXXHash", "VARSystem", "VARJSON", "VQ4Format", "VARTokenizer", "VARModels",
        "VARCheckpoint", "VARQuantization", "VARConversion", "VARTestSupport",
      ]),
    .testTarget(
      name: "VARTokenizerTests",
      dependencies: ["VARTokenizer", "VARJSON", "CZstd", "VARTestSupport"]),
    .testTarget(
      name: "VARModelsTests",
      dependencies: [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels",
        "VARTestSupport",
      ]),
    .testTarget(
      name: "VARLiteTests",
      dependencies: [
        "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARVision", "VARModels",
        "VARCheckpoint", "VARQuantization", "VARConversion", "VARLite", "VAREvaluation",
        "VARForcedRun", "VARAccuracy", "VARCalibration", "VARCanaries", "VARTestSupport",
      ]),
    .testTarget(
      name: "VAREvaluationTests",
      dependencies: [
        "VARJSON", "VQ4Format", "VARVision", "VARLite", "VAREvaluation", "VARTestSupport",
      ]),
    .testTarget(
      name: "VARLiteCLITests",
      dependencies: [
        "VARLiteCLI", "VARConvertCLI", "VARJSON", "VARKernels", "VQ4Format", "VARVision",
        "VARTestSupport",
      ]),
    .testTarget(
      name: "VARBenchTests",
      dependencies: ["VARBench", "VARBenchCLI", "VARJSON", "VARKernels", "VARTestSupport"]),
    .testTarget(
      name: "VARServerTests",
      dependencies: [
        "VARServer", "VARServerCLI", "VARLiteCLI", "VARLite", "VARJSON", "VARTestSupport",
      ]),
    // The programs of "Embed VARLite in an app": they import the product alone.
    .testTarget(
      name: "EmbeddingTests", dependencies: ["VARLite", "VARTestSupport"],
      exclude: ["Package.swift", "Sources/Programs/main.swift"]),
    // Readers of files that nobody vouches for, as the fuzzers call them.
    .target(
      name: "VARFuzzTargets",
      dependencies: [
        "CZstd", "CXXHash", "CZlib", "VARKernels", "VARJSON", "VQ4Format", "VARTokenizer",
        "VARVision", "VARModels", "VARCheckpoint", "VARQuantization", "VARLite", "VAREvaluation",
        "VARAccuracy", "VARCanaries", "VARServer", "VARSystem", "VARTestSupport",
      ],
      path: "Tests/fuzz/VARFuzzTargets"),
    .testTarget(name: "VARFuzzTests", dependencies: ["VARFuzzTargets", "VARTestSupport"]),
    // Lengths, the import table, banned calls.
    .testTarget(name: "TidyTests"),
  ],
  swiftLanguageModes: [.v6]
)

// The fuzzers' program needs libFuzzer, which `Tests/fuzz/run` links: it is no part of a normal build.
if Context.environment["VARLITE_FUZZ"] != nil {
  package.targets += [
    .target(name: "CVARFuzzDriver", path: "Tests/fuzz/CVARFuzzDriver"),
    .executableTarget(
      name: "VARFuzz",
      dependencies: ["CVARFuzzDriver", "VARSystem", "VARFuzzTargets", "VARTestSupport"],
      path: "Tests/fuzz/VARFuzz"),
  ]
}

// `.ci/sanitize` builds few of the tests: with a sanitizer each takes several times as long.
if let names = Context.environment["VARLITE_TESTS"]?.split(separator: ",").map(String.init) {
  package.targets.removeAll { $0.type == .test && !names.contains($0.name) }
}

// Tests of programs compile in a third of the time without optimization, and wait for the programs in any case; others
// compare what takes long without it. No product holds them, so that packages which depend on this one are not refused
// for the flags.
for target in package.targets where ["VARLiteCLITests", "VARServerTests"].contains(target.name) {
  target.swiftSettings = [.unsafeFlags(["-Onone"], .when(configuration: .release))]
}
