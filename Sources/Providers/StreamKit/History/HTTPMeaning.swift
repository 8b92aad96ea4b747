package import EngineKit
package import HTTPClient
internal import Primitives

/// What an answer of HTTP means for a load, of services that use its codes as they are meant.
package struct HTTPMeaning: Sendable {
    private let service: String
    private let advice: String
    private let hidden: HiddenTexts

    /// `advice`: what a person can do when the service denies all. `hidden`: what no reason may
    /// have.
    package init(_ service: String, advice: String, hidden: HiddenTexts) {
        self.service = service
        self.advice = advice
        self.hidden = hidden
    }

    /// Returns what an answer, or its lack, means for the request.
    package func outcome(
        of result: Result<HTTPResponse, HTTPError>
    ) -> FetchOutcome<[UInt8]> {
        let response: HTTPResponse
        switch result {
        case .success(let answer): response = answer
        case .failure(let error): return .failed("\(error)")
        }
        if response.status == 200 { return .page(response.body) }
        if response.status == 429 {
            return .limited(
                retryAfter: response.retryAfter?.clampedNanoseconds, isBanned: false)
        }
        let said = "\(service) says: \(reason(in: response)) (status \(response.status))"
        if [401, 403].contains(response.status) { return .denied("\(said): \(advice)") }
        let status = response.status
        if [400, 404, 422].contains(status) {
            return .refused("\(said): \(HTTPAdvice.text(status))")
        }
        return .failed("\(service) answers with status \(status): \(HTTPAdvice.text(status))")
    }

    /// Returns the service's reason, in one line.
    private func reason(in response: HTTPResponse) -> String {
        do throws(JSONError) {
            let said = try JSONValue.parse(response.body)
            let text = said["message"]?.string ?? said["error"]?.string
            return text.map { hidden.line($0, 160) } ?? "no reason given"
        } catch {
            return "no reason given"
        }
    }
}
