import ProviderKit
import MarketModel
import ServiceRuntime
import YAMLFile

/// Checks lists of instruments and shows what they contain.
enum InstrumentCheck {
    static let text = question(
        "--check-instruments", "Say what is wrong with lists of instruments, or print the whole.",
        InstrumentListing.text)

    static let json = question(
        "--check-instruments-json", "The same, with the whole as JSON.", InstrumentListing.json)

    private static func question(
        _ flag: String, _ summary: String, _ show: @escaping @Sendable ([Instrument]) -> String
    ) -> ServiceDescription.Question {
        ServiceDescription.Question(flag, "FILES", summary) { value, read in
            let files = value.split(separator: ",").map(String.init)
            do throws(FileMistakes) {
                return .success(show(try InstrumentLists.read(files, read)))
            } catch {
                return .failure(ServiceDescription.Question.Refusal(error.lines))
            }
        }
    }
}
