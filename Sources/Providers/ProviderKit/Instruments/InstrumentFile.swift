package import MarketModel
package import YAMLFile

/// Reads the lists of instruments that `GATEWAY_INSTRUMENTS` names, with the lists that they
/// include.
package enum InstrumentFile {
    /// The most files of one reading, including included ones. More are a mistake.
    package static let filesMax = 64

    /// Returns the content of a file, or why it cannot be read. A file of more than `bytesMax`
    /// bytes is a failure.
    package typealias Read =
        @Sendable (_ path: String, _ bytesMax: Int) -> Result<[UInt8], FileFailure>

    /// Returns the instruments, each symbol once, in the order of the files: a file's own
    /// instruments before those of the files that it includes. All mistakes are thrown together.
    package static func read(
        _ paths: [String], _ read: @escaping Read
    ) throws(FileMistakes) -> [Instrument] {
        var reader = InstrumentReader(read: read)
        for path in paths { reader.read(path) }
        return try reader.finish(paths)
    }

    /// The name under which mistakes in a definition are listed.
    private static let definitionName = "definition"

    /// Reads one instrument that is defined outside of files: a mapping with the keys of the files,
    /// as JSON, or a symbol alone. It has no defaults and includes nothing. All mistakes are thrown
    /// together.
    package static func instrument(
        definition: String
    ) throws(FileMistakes) -> Instrument {
        let bytes = Array("{\"version\": 1, \"instruments\": [\(definition)]}".utf8)
        let found = try read([definitionName]) { _, bytesMax in
            bytes.count <= bytesMax
                ? .success(bytes) : .failure(FileFailure("has more than \(bytesMax) bytes"))
        }
        guard let first = found.first, found.count == 1 else {
            throw FileMistakes([
                FileMistake(
                    file: definitionName, position: nil,
                    what: "it has \(found.count) instruments, not one")
            ])
        }
        return first
    }

    /// The keys of an instrument besides its symbol.
    package static var fieldKeys: [String] { InstrumentItem.keys.filter { $0 != "symbol" } }

    /// The keys whose values are lists.
    package static let listKeys: Set<String> = ["feeds", "providers"]

    /// The keys whose values are numbers.
    package static let numberKeys: Set<String> = [
        "provider_id", "lot", "lot_before", "strike", "multiplier",
    ]
}

extension Instrument {
    /// Says that none of the source's providers may deliver it; `nil` when one may.
    package func withoutProvider(of source: [String]) -> String? {
        guard !providers.isEmpty, !providers.contains(where: source.contains) else { return nil }
        return "nobody delivers \(symbol): its providers are "
            + "\(providers.joined(separator: ", ")), the source's are "
            + source.joined(separator: ", ")
    }
}
