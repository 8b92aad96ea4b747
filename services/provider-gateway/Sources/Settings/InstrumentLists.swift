import ProviderKit
import MarketModel
import ServiceRuntime
import TapeTransport
import YAMLFile

/// The files that list the instruments that providers are asked for.
struct InstrumentLists: Sendable {
    let files: [String]
    /// The names of the source's providers, by priority.
    let providers: [String]

    /// Reads the files. An instrument that none of the source's providers may deliver is a mistake.
    func read() throws(FileMistakes) -> [Instrument] {
        let instruments = try Self.read(files, ConfigurationFiles.read)
        let mistakes = instruments.compactMap { $0.withoutProvider(of: providers) }.map {
            FileMistake(file: files.joined(separator: ","), position: nil, what: $0)
        }
        guard mistakes.isEmpty else { throw FileMistakes(Array(mistakes.prefix(100))) }
        return instruments
    }

    static func read(
        _ files: [String], _ read: @escaping FileReading
    ) throws(FileMistakes) -> [Instrument] {
        try InstrumentFile.read(files) { path, bytesMax in
            read(path, bytesMax).map(\.bytes).mapError { FileFailure("\($0)") }
        }
    }
}

extension GatewaySettings {
    /// Returns the lists of the configuration, or `nil` when there are no files and none are
    /// needed.
    static func lists(
        _ configuration: Configuration, _ kinds: [ProviderKind]
    ) throws(SettingsError) -> InstrumentLists? {
        guard !kinds.contains(where: { $0.instruments != nil }) else { return nil }
        let files = configuration.list("GATEWAY_INSTRUMENTS")
        if files.isEmpty, let needy = kinds.first(where: \.needsInstruments) {
            throw SettingsError(
                "GATEWAY_INSTRUMENTS: \(needy.name) needs a list of instruments, "
                    + "as instruments/watchlist.yaml")
        }
        return files.isEmpty
            ? nil : InstrumentLists(files: files, providers: kinds.map(\.name))
    }

    /// Returns `given`, or the instruments of the lists; none without both.
    static func instruments(
        _ lists: InstrumentLists?, instead given: [Instrument]? = nil
    ) throws(SettingsError) -> [Instrument] {
        if let given { return given }
        guard let lists else { return [] }
        do throws(FileMistakes) {
            return try lists.read()
        } catch {
            throw SettingsError(
                error.lines.map { "GATEWAY_INSTRUMENTS: \($0)" }.joined(separator: "\n"))
        }
    }

    /// Checks the lists. The names of the providers are checked by another rule.
    static func checkInstruments(
        _ configuration: Configuration, _ kinds: [ProviderKind]
    ) throws(SettingsError) {
        let named: [ProviderKind]
        do throws(SettingsError) {
            named = try Self.named(configuration, kinds)
        } catch {
            return
        }
        _ = try instruments(try lists(configuration, named))
    }
}
