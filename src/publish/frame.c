/*
 * frame.c: takes frames from the decoder and gives them to the publisher, through a queue in shared
 * memory that bounds what is on the way. Knows nothing of what they mean.
 */
#include "publish/frame.h"

#include "storage/ipc.h"

/*
 * One worker without the other is no use: what ended the other one has been logged, and the
 * launcher starts both again.
 */
static void
frame_check(shm_mq_result result)
{
	if (result == SHM_MQ_DETACHED)
		proc_exit(1);
}

void
frame_send(shm_mq_handle *queue, const Frame *frame, const char *body, Size size, bool flush)
{
	shm_mq_iovec parts[2];

	parts[0].data = (const char *) frame;
	parts[0].len = sizeof(*frame);
	parts[1].data = body;
	parts[1].len = size;
	frame_check(shm_mq_sendv(queue, parts, size > 0 ? 2 : 1, false, flush));
}

bool
frame_receive(shm_mq_handle *queue, Frame *frame, const char **body, Size *size)
{
	Size		length;
	void	   *data;
	shm_mq_result result = shm_mq_receive(queue, &length, &data, true);

	frame_check(result);
	if (result == SHM_MQ_WOULD_BLOCK)
		return false;
	if (length < sizeof(*frame))
		elog(ERROR, "a frame of %zu bytes is too short", length);

	/*
	 * The data stands in the queue, or in the handle's buffer, until the next call. It may not be
	 * aligned, so the frame is copied.
	 */
	memcpy(frame, data, sizeof(*frame));
	*body = (const char *) data + sizeof(*frame);
	*size = length - sizeof(*frame);
	return true;
}
