// The official tus client in Node: a file in pieces, cut off and gone on with, and one given up.
// Usage: node tus_upload.mjs http://HOST/uploads/tus tus-js-client TOKEN. Prints one JSON line.
import { Upload } from "tus-js-client";
import { createHash } from "node:crypto";

const [endpoint, , token] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}` };
const film = Buffer.alloc(19 * 1024 * 1024 + 7);
for (let at = 0; at < film.length; at += 4) film.writeUInt32LE((at * 2654435761) >>> 0, Math.min(at, film.length - 4));

function sent(content, more = {}) {
	const seen = { statuses: [], offsets: [] };
	return new Promise((done, failed) => {
		const upload = new Upload(content, {
			endpoint, headers, chunkSize: 3 * 1024 * 1024, retryDelays: [50, 200, 500],
			metadata: { filetype: "video/mp4", filename: "film.mp4" },
			onError: failed,
			onAfterResponse: (_, answer) => seen.statuses.push(answer.getStatus()),
			onChunkComplete: (_size, offset) => {
				seen.offsets.push(offset);
				if (more.stopAt && offset >= more.stopAt) upload.abort(more.terminate).then(() => done({ ...seen, url: upload.url }), failed);
			},
			onSuccess: () => done({ ...seen, url: upload.url }),
			...more.options,
		});
		upload.start();
	});
}

const cut = await sent(film, { stopAt: 7_000_000 });
const resumed = await sent(film, { options: { uploadUrl: cut.url } });
const whole = await sent(film.subarray(0, 1000), { options: { chunkSize: Infinity } });
const terminated = await sent(film, { stopAt: 1, terminate: true });
const gone = await fetch(terminated.url, { method: "HEAD", headers: { ...headers, "tus-resumable": "1.0.0" } });
console.log(JSON.stringify({
	sha256: createHash("sha256").update(film).digest("hex"), size: film.length,
	cut, resumed, whole, gone: gone.status,
}));
