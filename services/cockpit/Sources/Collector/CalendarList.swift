import GraphLanguage
import MarketModel
import ServiceRuntime
import StreamCore
import YAMLFile

extension SourceCalendars {
    /// Reads `source=path` of `COCKPIT_CALENDARS`. The files are those that graphs name.
    init(
        _ texts: [String], _ read: @escaping FileReading = ConfigurationFiles.read
    ) throws(SettingsError) {
        let key = "COCKPIT_CALENDARS"
        guard texts.count <= Self.sourcesMax else {
            throw SettingsError("\(key): \(texts.count) are more than \(Self.sourcesMax)")
        }
        let files = GraphFiles { path, bytesMax in
            read(path, bytesMax).map(\.bytes).mapError { GraphFileFailure("\($0)") }
        }
        var calendars: [String: SessionCalendar] = [:]
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let source = SourceName(parts[0]) else {
                throw SettingsError("\(key): \(text) is not source=path of a calendar")
            }
            guard calendars[source.text] == nil else {
                throw SettingsError("\(key): \(source) has two calendars: remove one")
            }
            do throws(GraphProblems) {
                let name = parts[1].split(separator: "/").last.map(String.init) ?? parts[1]
                calendars[source.text] = try CalendarFile.read(parts[1], name: name, files)
            } catch {
                throw SettingsError("\(key): \(source): \(error.lines.joined(separator: "; "))")
            }
        }
        self.init(calendars)
    }
}
